"""Read pictures by named rules: what a file turns out to be, and what becomes of it.

A picture is kept, converted under a name, or dropped under a name; nothing that a file holds
stops the run. Only the usual picture formats are tried, and none that runs a program.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

from PIL import Image, ImageOps, UnidentifiedImageError

from harness.data.colours import is_deep, is_see_through, kind_of, plain, to_srgb
from harness.data.opening import image_of
from harness.interfaces import Picture
from harness.pages.decoding import Reading

RULES = {
    "rotated": "turned upright as its EXIF says",
    "exif-unusable": "kept as it lies, for its EXIF cannot be read",
    "cmyk": "converted to RGB",
    "16-bit": "converted to 8 bits",
    "palette": "converted to RGB",
    "palette-alpha": "converted to RGB on the colour of reading.transparent",
    "rgba": "converted to RGB on the colour of reading.transparent",
    "grey-alpha": "converted to RGB on the colour of reading.transparent",
    "colour-key": "converted to RGB on the colour of reading.transparent",
    "grey": "converted to RGB",
    "bilevel": "converted to RGB",
    "other-colours": "converted to RGB",
    "icc": "converted to sRGB",
    "icc-unusable": "kept without its colour profile",
    "animated": "kept as its first frame",
    "wrong-extension": "kept as what it is",
    "duplicate": "kept beside the same pixels",
}
"""What is done with pictures of each kind that are kept."""
DROPPED = {
    "missing": "there is no file",
    "empty": "the file has no bytes",
    "not-an-image": "the file holds something else",
    "truncated": "the file is cut off",
    "unreadable": "the file is damaged",
    "too-large": "more than reading.megapixels",
    "tiny": "a side below reading.smallest",
    "transparent": "left out by reading.transparent",
    "animated": "left out by reading.animated",
    "duplicate": "left out by reading.duplicates",
    "near-duplicate": "left out by reading.near_duplicates",
}
"""Why pictures of each kind are left out."""
UNREADABLE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    NotImplementedError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""What Pillow and its formats raise where a file is damaged."""
_EXTENSIONS = {
    ".png": "PNG",
    ".apng": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".gif": "GIF",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".avif": "AVIF",
}
_HEADS = (b"\x89PNG", b"\xff\xd8", b"RIFF", b"GIF8", b"BM", b"II*\0", b"MM\0*")
_ORIENTATION = 0x0112


def rule_of(kind: str, rules: Reading) -> str:
    """Return what these rules do with pictures of a kind that are kept."""
    return RULES[kind].replace("the colour of reading.transparent", rules.transparent)


class Unfit(Exception):
    """A picture that is dropped: of which kind, and why."""

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(f"{kind}: {why}")
        self.kind = kind


def read(picture: Picture, rules: Reading) -> tuple[Image.Image, tuple[str, ...]]:
    """Return the picture in plain RGB and the kinds it was of, or raise Unfit.

    A picture that is no file was drawn, and is taken as it is.
    """
    if picture.read is None:
        drawn = _guarded(picture.open, "unreadable")
        upright = _guarded(lambda: ImageOps.exif_transpose(drawn).convert("RGB"), "unreadable")
        return _bare(upright), ()
    return decode(_guarded(picture.read, "missing"), picture.name, rules)


def decode(data: bytes, name: str, rules: Reading) -> tuple[Image.Image, tuple[str, ...]]:
    """Return what the bytes of a file show in plain RGB and the kinds it was of."""
    image = _opened(data)
    _refuse_size(image, rules)
    kinds = [_foreign(image, name), _frames(image, rules)]
    deep, profile = is_deep(image), image.info.get("icc_profile")
    _guarded(image.load, _broken(data))
    kind = kind_of(image)
    kinds += ["16-bit" if deep else None, kind]
    upright, turned = _upright(image)
    shown, used = _guarded(lambda: _shown(upright, kind, profile, rules), "unreadable")
    return _bare(shown), tuple(dict.fromkeys(each for each in (*kinds, turned, used) if each))


def _bare(image: Image.Image) -> Image.Image:
    """Return the pixels alone: a profile that stays would be written into the next file.

    It would speak of colours that are no more; and one that was just made holds the time.
    """
    image.info.clear()
    return image


def _guarded(work: Callable[[], Any], kind: str) -> Any:
    """Return what `work` does; the failure of a file to be read drops the picture."""
    try:
        return work()
    except Unfit:
        raise
    except FileNotFoundError as error:
        raise Unfit("missing", str(error.strerror or error)) from error
    except UNREADABLE as error:
        raise Unfit(kind, " ".join(str(error).split()) or type(error).__name__) from error


def _opened(data: bytes) -> Image.Image:
    """Return the image with its head read, and nothing decoded."""
    if not data:
        raise Unfit("empty", "no bytes")
    try:
        return image_of(data)
    except UnidentifiedImageError as error:
        known = data.startswith(_HEADS) or data[4:8] == b"ftyp"
        kind = _broken(data) if known else "not-an-image"
        raise Unfit(kind, f"it begins with {data[:12]!r}") from error
    except Image.DecompressionBombError as error:
        raise Unfit("too-large", str(error).split(",")[0]) from error
    except UNREADABLE as error:
        raise Unfit(_broken(data), str(error)) from error


def _refuse_size(image: Image.Image, rules: Reading) -> None:
    width, height = image.size
    if width * height > rules.megapixels * 1e6:
        raise Unfit("too-large", f"{width}x{height} pixels")
    if min(width, height) < rules.smallest:
        raise Unfit("tiny", f"{width}x{height} pixels")


def _foreign(image: Image.Image, name: str) -> str | None:
    """Return the kind of a file whose name says that it is something else."""
    named = _EXTENSIONS.get(PurePath(name).suffix.lower())
    actual = {"MPO": "JPEG", "DIB": "BMP"}.get(str(image.format), str(image.format))
    return "wrong-extension" if named not in (None, actual) else None


def _frames(image: Image.Image, rules: Reading) -> str | None:
    """Return the kind of a file with several frames; a stereo camera's second eye is none."""
    if image.format == "MPO" or not _guarded(
        lambda: getattr(image, "is_animated", False), "unreadable"
    ):
        return None
    if rules.animated == "drop":
        raise Unfit("animated", "it has several frames")
    _guarded(lambda: image.seek(0), "unreadable")
    return "animated"


def _upright(image: Image.Image) -> tuple[Image.Image, str | None]:
    try:
        if image.getexif().get(_ORIENTATION, 1) == 1:
            return image, None
        return ImageOps.exif_transpose(image), "rotated"
    except UNREADABLE:
        return image, "exif-unusable"


def _shown(
    image: Image.Image, kind: str | None, profile: bytes | None, rules: Reading
) -> tuple[Image.Image, str | None]:
    """Return the picture in RGB, and how its colour profile was used."""
    if rules.transparent == "drop":
        if is_see_through(image, kind):
            raise Unfit("transparent", "it is not opaque")
        return to_srgb(plain(image, kind, "white"), profile)
    return to_srgb(plain(image, kind, rules.transparent), profile)


def _broken(data: bytes) -> str:
    """Return the kind of a file that cannot be read, by whether its end is there."""
    return "truncated" if _ends_early(data) else "unreadable"


def _ends_early(data: bytes) -> bool:
    """Return whether a file of a known form lacks what such files end with."""
    if data.startswith(b"\x89PNG"):
        return b"IEND" not in data[-64:]
    if data.startswith(b"\xff\xd8"):
        return b"\xff\xd9" not in data[-64:]
    if data.startswith(b"RIFF"):
        return len(data) < 8 or int.from_bytes(data[4:8], "little") + 8 > len(data)
    if data.startswith(b"GIF8"):
        return not data.rstrip(b"\0").endswith(b";")
    if data.startswith(b"BM"):
        return len(data) < 6 or int.from_bytes(data[2:6], "little") > len(data)
    return False
