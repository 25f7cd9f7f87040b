"""From whatever a picture's pixels mean to plain RGB as a screen shows it."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
from PIL import Image, ImageCms

Show = Literal["white", "black"]
_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}
_KINDS = {
    "1": "bilevel",
    "L": "grey",
    "CMYK": "cmyk",
    "LA": "grey-alpha",
    "La": "grey-alpha",
    "RGBA": "rgba",
    "RGBa": "rgba",
    "PA": "palette-alpha",
}
_OPAQUE = ("grey", "bilevel", "cmyk", "16-bit", "palette", "other-colours")


def kind_of(image: Image.Image) -> str | None:
    """Return the name of what the pixels are, where they are not plain RGB."""
    mode = image.mode
    if mode == "P":
        return "palette-alpha" if "transparency" in image.info else "palette"
    if mode in ("L", "RGB") and "transparency" in image.info:
        return "colour-key"
    if mode.startswith(("I", "F")):
        return "16-bit"
    return None if mode == "RGB" else _KINDS.get(mode, "other-colours")


def is_deep(image: Image.Image) -> bool:
    """Return whether a file that was opened and not yet loaded has 16 bits a channel."""
    return any(";16" in str(tile[3]) for tile in getattr(image, "tile", ()))


def is_see_through(image: Image.Image, kind: str | None) -> bool:
    """Return whether something shows through the picture."""
    if kind is None or kind in _OPAQUE:
        return False
    return image.convert("RGBA").getchannel("A").getextrema()[0] < 255  # type: ignore[operator]


def plain(image: Image.Image, kind: str | None, behind: Show) -> Image.Image:
    """Return the picture as RGB, grey or CMYK, whichever it is, with nothing to see through."""
    if kind == "16-bit":
        return _eight_bits(image)
    if kind == "bilevel":
        return image.convert("L")
    if kind in ("palette", "other-colours"):
        return image.convert("RGB")
    if kind in (None, "grey", "cmyk"):
        return image
    whole = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", whole.size, behind), whole).convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return grey levels of 16 bits as 8, each rounded to the nearest."""
    levels = np.asarray(image)
    if levels.dtype.kind not in "iu" or (
        levels.size and not 0 <= levels.min() <= levels.max() < 2**16
    ):
        raise ValueError(f"its pixels are {levels.dtype} beyond 16 bits")
    return Image.fromarray(((levels.astype(np.uint32) + 128) // 257).astype(np.uint8))


def to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, str | None]:
    """Return RGB as a screen shows it, and how the picture's colour profile was used."""
    if not profile:
        return image.convert("RGB"), None
    try:
        theirs = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(theirs).lower():
            return image.convert("RGB"), None
        if theirs.profile.xcolor_space.strip() != _SPACES[image.mode]:
            return image.convert("RGB"), "icc-unusable"
        ours = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, theirs, ours, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image.convert("RGB"), "icc-unusable"
    assert converted is not None
    return converted, "icc"
