"""Odd pictures by name: other formats, broken ones, and some that are larger than they look."""

from __future__ import annotations

import io
import json
import random
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image, PngImagePlugin

EPS = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 8 8
%%EndComments
0 0 8 8 rectfill
%%EOF
"""
KINDS = {
    "png": {"format": "PNG"},
    "jpg": {"format": "JPEG"},
    "progressive.jpg": {"format": "JPEG", "progressive": True},
    "webp": {"format": "WEBP"},
    "lossless.webp": {"format": "WEBP", "lossless": True},
    "bmp": {"format": "BMP"},
    "gif": {"format": "GIF"},
    "tif": {"format": "TIFF"},
    "lzw.tif": {"format": "TIFF", "compression": "tiff_lzw"},
    "avif": {"format": "AVIF"},
    "jp2": {"format": "JPEG2000"},
    "ppm": {"format": "PPM"},
    "psd.eps": {"format": "EPS"},
    "ico": {"format": "ICO"},
    "tga": {"format": "TGA"},
    "pcx": {"format": "PCX"},
}
MODES = ("1", "L", "LA", "P", "RGBA", "I;16", "I", "F", "CMYK", "YCbCr", "LAB")


def chunk(name: bytes, data: bytes) -> bytes:
    """Return one chunk of a PNG."""
    whole = name + data
    return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))


def huge_png(side: int, is_filled: bool = False, kind: int = 0) -> bytes:
    """Return a small PNG that states `side` squared grey pixels, and has them if it is filled."""
    head = struct.pack(">IIBBBBB", side, side, 8, kind, 0, 0, 0)
    packer = zlib.compressobj(9)
    rows = [packer.compress(b"\0" * (side + 1)) for _ in range(side if is_filled else 0)]
    data = b"".join([*rows, packer.flush()])
    parts = chunk(b"IHDR", head), chunk(b"IDAT", data), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def odd_pictures(with_heavy: bool = True) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the bytes of each: whole ones, cut ones, and bytes that were changed.

    Without `with_heavy`, those that take a second to make are left out.
    """
    yield from _of_every_kind()
    yield from _of_every_mode()
    yield from _with_words()
    if with_heavy:
        yield from _larger_than_they_look()
    yield from _something_else()


def _saved(picture: Image.Image, **how: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, **how)  # type: ignore[arg-type]
    return buffer.getvalue()


def _picture() -> Image.Image:
    pixels = np.random.default_rng(5).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((64, 48))


def _of_every_kind() -> Iterator[tuple[str, bytes]]:
    rng = random.Random(7)
    for ending, how in KINDS.items():
        data = _saved(_picture(), **how)
        yield f"whole.{ending}.png", data
        for share in (0.02, 0.3, 0.7, 0.95):
            yield f"cut-{share}.{ending}.png", data[: int(len(data) * share)]
        for number in range(6):
            changed = bytearray(data)
            for _ in range(1 + 3 * number):
                changed[rng.randrange(min(len(changed), 80 if number < 4 else len(changed)))] = (
                    rng.randrange(256)
                )
            yield f"changed-{number}.{ending}.png", bytes(changed)


def _of_every_mode() -> Iterator[tuple[str, bytes]]:
    for mode in MODES:
        colours = _picture().convert("L" if mode in ("I;16", "I", "F", "LAB") else "RGB")
        if mode == "LAB":
            colours = _picture()
        picture = Image.new("LAB", (64, 48)) if mode == "LAB" else colours.convert(mode)
        yield f"mode-{mode.replace(';', '-')}.png", _saved(picture, format="TIFF")
    for size in ((1, 1), (1, 4000), (4000, 1), (7, 900)):
        yield f"size-{size[0]}x{size[1]}.png", _saved(Image.new("RGB", size), format="PNG")
    frames = [_picture().rotate(90 * number) for number in range(4)]
    for kind in ("GIF", "PNG", "WEBP", "TIFF"):
        data = _saved(frames[0], format=kind, save_all=True, append_images=frames[1:])
        yield f"frames-{kind}.png", data


def _with_words() -> Iterator[tuple[str, bytes]]:
    graph = {str(at): {"class_type": "S", "inputs": {"text": ["0", 0]}} for at in range(3000)}
    samplers = {
        str(at): {"class_type": "KSampler", "inputs": {"seed": at, "positive": ["w", 0]}}
        for at in range(4000)
    }
    wide = {"class_type": "T", "inputs": {f"text_{at}": "a" for at in range(4000)}}
    chain = {
        str(at): {"class_type": "T", "inputs": {"text": [str(at + 1), 0]}} for at in range(20_000)
    }
    for name, words in {
        "nested": {"prompt": "[" * 50_000},
        "broken": {"prompt": "{"},
        "no-graph": {"prompt": json.dumps(graph)},
        "many-samplers": {"prompt": json.dumps(samplers | {"w": wide})},
        "long-chain": {
            "prompt": json.dumps(
                chain | {"k": samplers["0"] | {"inputs": {"seed": 1, "positive": ["0", 0]}}}
            )
        },
        "long-parameters": {"parameters": "a" * 900_000 + "\nSteps: 20, Seed: 5"},
        "brackets": {"parameters": "(" * 9_000 + "\nSteps: 20, Seed: 5"},
        "numbers": {"parameters": "a:" + "1." * 4_000 + "\nSteps: 20, Seed: " + "9" * 4_000},
        "novel": {"Comment": json.dumps({"prompt": "1.1" * 3_000, "seed": 1e308})},
        "infinite": {"Comment": '{"prompt": "a", "seed": 1e999}'},
        "nul": {"parameters": "a\0b\nSteps: 20, Seed: 5"},
        "half": {"parameters": "a cat \\ud800\nSteps: 20, Seed: -5"},
        "list": {"invokeai_metadata": "[1, 2]"},
        "swarm": {"parameters": '{"sui_image_params": {"prompt": [1], "seed": {}}}'},
    }.items():
        info = PngImagePlugin.PngInfo()
        for key, value in words.items():
            info.add_itxt(key, value, zip=len(value) > 1000)
        yield f"says-{name}.png", _saved(_picture(), format="PNG", pnginfo=info)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 99, "prompt:{"
    for kind in ("JPEG", "WEBP", "PNG"):
        yield f"exif-{kind}.png", _saved(_picture(), format=kind, exif=exif)
        broken = b"Exif\0\0MM\0*\0\0\xff\xff" + b"\xff" * 60
        yield f"exif-broken-{kind}.png", _saved(_picture(), format=kind, exif=broken)
        yield f"icc-{kind}.png", _saved(_picture(), format=kind, icc_profile=b"\0" * 200)


def _larger_than_they_look() -> Iterator[tuple[str, bytes]]:
    for side in (5_000, 13_000, 60_000, 2**31 - 1):
        yield f"states-{side}.png", huge_png(side)
    yield "filled-13000.png", huge_png(13_000, True)
    yield "filled-4000.png", huge_png(4_000, True, 6)[:-12]
    bomb = zlib.compress(b"a" * 80_000_000)
    head = huge_png(8, True)
    yield "text-bomb.png", head[:33] + chunk(b"zTXt", b"parameters\0\0" + bomb) + head[33:]
    yield "icc-bomb.png", head[:33] + chunk(b"iCCP", b"icc\0\0" + bomb) + head[33:]
    many = chunk(b"zTXt", b"a\0\0" + zlib.compress(b"a" * 900_000))
    yield "many-texts.png", head[:33] + many * 2_000 + head[33:]
    for start, name in (
        (b"VP8X\x0a\0\0\0" + b"\0" * 4 + b"\xfe\x3f\0" * 2, "x"),
        (b"VP8L\x0a\0\0\0\x2f\xff\xff\xff\x0f", "l"),
    ):
        body = b"WEBP" + start + b"\0" * 60
        yield f"webp-{name}.png", b"RIFF" + struct.pack("<I", len(body)) + body
    tags = [
        (256, 8),
        (257, 8),
        (258, 8),
        (259, 8),
        (262, 1),
        (277, 1),
        (322, 60_000),
        (323, 60_000),
        (324, 200),
        (325, 40),
    ]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    tiff = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + b"\0" * 4
    yield "tiles.png", tiff.ljust(200, b"\0") + zlib.compress(b"\0" * 40_000_000)[:4000]
    scans = _saved(Image.new("RGB", (4000, 4000)), format="JPEG", progressive=True)
    first = scans.index(b"\xff\xda")
    second = scans.index(b"\xff\xda", first + 2)
    yield "many-scans.png", scans[:second] + scans[first:second] * 3_000 + scans[second:]


def _something_else() -> Iterator[tuple[str, bytes]]:
    yield "eps.png", EPS
    yield "empty.png", b""
    yield "html.png", b"<html><script>alert(1)</script></html>"
    yield "svg.png", b'<svg xmlns="http://www.w3.org/2000/svg"><image href="/etc/passwd"/></svg>'
    yield "zip.png", b"PK\x03\x04" + b"\0" * 40
    yield "zeros.png", b"\0" * 4096
    yield "signature.png", b"\x89PNG\r\n\x1a\n"
    yield "wmf.png", b"\xd7\xcd\xc6\x9a" + b"\0" * 90
    yield "mpeg.png", b"\0\0\x01\xb3" + b"\x10" * 90
    yield "fits.png", b"SIMPLE  =                    T" + b" " * 3000
    yield "text.png", ("words " * 900).encode("utf-16")
