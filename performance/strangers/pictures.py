"""Odd pictures by name: other formats, broken ones, and some that are larger than they look."""

from __future__ import annotations

import struct
import zlib

EPS = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 8 8
%%EndComments
0 0 8 8 rectfill
%%EOF
"""


def chunk(name: bytes, data: bytes) -> bytes:
    """Return one chunk of a PNG."""
    whole = name + data
    return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))


def huge_png(side: int, is_filled: bool = False) -> bytes:
    """Return a small PNG that states `side` squared grey pixels, and has them if it is filled."""
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    packer = zlib.compressobj(9)
    rows = [packer.compress(b"\0" * (side + 1)) for _ in range(side if is_filled else 0)]
    data = b"".join([*rows, packer.flush()])
    parts = chunk(b"IHDR", head), chunk(b"IDAT", data), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
