"""Pictures known by what they show: exact digests, and a hash that near pictures nearly share."""

from __future__ import annotations

import hashlib

import numpy as np
from PIL import Image

_FLAT = frozenset({0, 2**64 - 1})


def pixels_of(image: Image.Image) -> str:
    """Return the sha256 of size and pixels, in whatever file they came."""
    head = f"{image.mode} {image.width}x{image.height}\n".encode()
    return hashlib.sha256(head + image.tobytes()).hexdigest()


def dhash(image: Image.Image) -> int | None:
    """Return 64 bits: whether each of 8 × 8 patches is brighter than its left neighbour.

    Where none is or all are, as in a plain sheet, that says nothing of the picture: None.
    """
    small = image.convert("L").resize((9, 8), Image.Resampling.BOX)
    grey = np.asarray(small, np.int16)
    code = int.from_bytes(np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes(), "big")
    return None if code in _FLAT else code
