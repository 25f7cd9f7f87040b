"""The one door for pictures from files: which formats are tried, and how large one may be.

Pillow knows some forty formats, and one of them runs a program: PostScript goes through
Ghostscript. A file that is named .png may be any of them. So only the formats below are tried,
and the size that a file states is looked at before anything is decoded.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from harness.errors import UsageError
from harness.files import open_regular

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "AVIF", "JPEG2000", "PPM")
"""All that are tried. None runs a program or reads another file."""
MEGAPIXELS = 178.0
"""What any picture may have; a decoded one takes four bytes a pixel, several times over."""
SCANS = 100
"""Passes over its pixels that a JPEG may make; programs write ten, and each takes as long."""
_HEAD = 30
"""Bytes that say how large a WebP is."""


@contextmanager
def open_image(
    file: Path, megapixels: float = MEGAPIXELS, formats: Sequence[str] = FORMATS
) -> Iterator[Image.Image]:
    """Yield the image in a file with its head read, and nothing decoded.

    What is no regular file, no picture, damaged or too large raises what Pillow raises.
    """
    with open_regular(file) as stream:
        yield _opened(stream, megapixels, formats)


def image_of(
    data: bytes, megapixels: float = MEGAPIXELS, formats: Sequence[str] = FORMATS
) -> Image.Image:
    """Return the image in the bytes of a file with its head read, and nothing decoded."""
    return _opened(io.BytesIO(data), megapixels, formats)


def image_in(file: Path) -> Image.Image:
    """Return the image in a file, decoded."""
    with open_image(file) as image:
        image.load()
        return image


def _opened(stream: BinaryIO, megapixels: float, formats: Sequence[str]) -> Image.Image:
    head = stream.read(_HEAD)
    stream.seek(0)
    _require_size(_webp_size(head), megapixels)
    _let_large_ones_pass()
    image = Image.open(stream, formats=_known(tuple(formats)))
    _require_size(image.size, megapixels)
    if image.format in ("JPEG", "MPO"):
        _refuse_many_scans(stream)
    return image


def _let_large_ones_pass() -> None:
    """Let Pillow say nothing of pictures above half of what it allows: sizes are looked at here.

    The filter stays: to set and to lift it for each picture would disturb other threads.
    """
    kind = Image.DecompressionBombWarning
    if not any(action == "ignore" and each is kind for action, _, each, *_ in warnings.filters):
        warnings.simplefilter("ignore", kind)


def _refuse_many_scans(stream: BinaryIO) -> None:
    """Refuse a small JPEG that would be decoded for minutes; the mark of a scan is no pixel's."""
    at = stream.tell()
    stream.seek(0)
    count = stream.read().count(b"\xff\xda")
    stream.seek(at)
    if count > SCANS:
        raise OSError(f"it has {count} scans, which is more than {SCANS}")


def _require_size(size: tuple[int, int], megapixels: float) -> None:
    width, height = size
    if width * height > megapixels * 1e6:
        raise Image.DecompressionBombError(
            f"{width}x{height} pixels, which is more than {megapixels:g} megapixels"
        )


def _webp_size(head: bytes) -> tuple[int, int]:
    """Return the size that a WebP states, for whose canvas Pillow takes memory at once."""
    if head[:4] != b"RIFF" or head[8:12] != b"WEBP" or len(head) < _HEAD:
        return 0, 0
    if head[12:16] == b"VP8X":
        return (
            int.from_bytes(head[24:27], "little") + 1,
            int.from_bytes(head[27:30], "little") + 1,
        )
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return (
        int.from_bytes(head[26:28], "little") & 0x3FFF,
        int.from_bytes(head[28:30], "little") & 0x3FFF,
    )


@cache
def _known(formats: tuple[str, ...]) -> tuple[str, ...]:
    """Return which of the formats this Pillow knows; asking for another is an error of its own."""
    Image.init()
    return tuple(name for name in formats if name in Image.OPEN)


def allowed_megapixels(megapixels: float) -> float:
    """Return the size that an image may have, as a person asked for; refuse what is none."""
    if not 0 < megapixels <= MEGAPIXELS:
        raise UsageError(
            f"--megapixels {megapixels:g} is no size of an image",
            hint=f"above 0, at most {MEGAPIXELS:g}",
        )
    return float(megapixels)
