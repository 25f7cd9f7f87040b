"""Pictures known by what they show: exact digests, and a hash that near pictures nearly share."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import combinations

import numpy as np
from PIL import Image

FLAT = frozenset({0, 2**64 - 1})
"""Hashes that say nothing of a picture but that nothing in it gets brighter, or all of it does."""
_BANDS, _WIDTH = 4, 16


def pixels_of(image: Image.Image) -> str:
    """Return the sha256 of size and pixels, in whatever file they came."""
    head = f"{image.mode} {image.width}x{image.height}\n".encode()
    return hashlib.sha256(head + image.tobytes()).hexdigest()


def dhash(image: Image.Image) -> int:
    """Return 64 bits: whether each of 8 × 8 patches is brighter than its left neighbour."""
    small = image.convert("L").resize((9, 8), Image.Resampling.BOX)
    grey = np.asarray(small, np.int16)
    return int.from_bytes(np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes(), "big")


class Neighbours:
    """Hashes with names, found again by any hash at most `distance` bits away.

    Two hashes that differ in d bits differ in at most d // 4 bits in one of their four quarters,
    so only hashes are compared that nearly share a quarter (Norouzi et al., arXiv:1307.2982).
    """

    def __init__(self, distance: int) -> None:
        self._distance = distance
        self._names: dict[int, str] = {}
        self._quarters: list[dict[int, list[int]]] = [{} for _ in range(_BANDS)]
        self._flips = list(_flips(distance // _BANDS))

    def add(self, code: int, name: str) -> None:
        """Remember `code`; of equal ones the first name stays."""
        if code in self._names or code in FLAT:
            return
        self._names[code] = name
        for quarter, part in zip(self._quarters, _parts(code), strict=True):
            quarter.setdefault(part, []).append(code)

    def near(self, code: int) -> str | None:
        """Return the name of a hash near enough, if there is one: the nearest, then the first."""
        if code in FLAT:
            return None
        if code in self._names:
            return self._names[code]
        found = {
            other
            for quarter, part in zip(self._quarters, _parts(code), strict=True)
            for flip in self._flips
            for other in quarter.get(part ^ flip, ())
            if (other ^ code).bit_count() <= self._distance
        }
        near = min(found, key=lambda other: ((other ^ code).bit_count(), other), default=None)
        return None if near is None else self._names[near]


def _parts(code: int) -> Iterator[int]:
    return ((code >> _WIDTH * band) & (2**_WIDTH - 1) for band in range(_BANDS))


def _flips(most: int) -> Iterator[int]:
    """Yield every mask of at most `most` bits of a quarter."""
    for count in range(most + 1):
        for places in combinations(range(_WIDTH), count):
            yield sum(1 << place for place in places)
