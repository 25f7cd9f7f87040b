"""Hashes that differ in few bits, found without comparing each with each.

One after the other, they are found by their quarters. All at once, by tables: hashes of 64 bits
are cut into bands, and two that differ in at most d bits share at least m of d + m bands, so both
stand in one drawer of the table that belongs to those m bands. Either way nothing is missed. Of
each cluster the first row is kept: a row goes if an earlier one that was kept is near it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

BITS = 64
Hashes = NDArray[np.uint64]
_QUARTERS, _WIDTH = 4, 16
_DRAWER = 3
"""Tables are chosen so that a drawer holds about 2 to this power of random hashes."""
_PAIRS = 1 << 20
"""How many pairs are compared at a time."""


class Neighbours:
    """The hashes kept so far with their names, found by any at most `distance` bits away.

    Two hashes that differ in d bits differ in at most d // 4 bits in one of their four quarters,
    so only hashes are compared that nearly share a quarter (Norouzi et al., arXiv:1307.2982).
    """

    def __init__(self, distance: int) -> None:
        self._distance = distance
        self._names: dict[int, str] = {}
        self._quarters: list[dict[int, list[int]]] = [{} for _ in range(_QUARTERS)]
        self._flips = list(_flips(distance // _QUARTERS))

    def add(self, code: int, name: str) -> None:
        """Remember `code`; of equal ones the first name stays."""
        if code in self._names:
            return
        self._names[code] = name
        for quarter, part in zip(self._quarters, _parts(code), strict=True):
            quarter.setdefault(part, []).append(code)

    def near(self, code: int) -> str | None:
        """Return the name of a hash near enough, if there is one: the nearest, then the least."""
        if code in self._names:
            return self._names[code]
        close = {
            other
            for quarter, part in zip(self._quarters, _parts(code), strict=True)
            for flip in self._flips
            for other in quarter.get(part ^ flip, ())
            if (other ^ code).bit_count() <= self._distance
        }
        near = min(close, key=lambda other: ((other ^ code).bit_count(), other), default=None)
        return None if near is None else self._names[near]


def firsts(hashes: Hashes, distance: int) -> NDArray[np.bool_]:
    """Return which rows are kept, as with `Neighbours` one after the other."""
    kept = np.zeros(len(hashes), bool)
    distinct, places = np.unique(hashes, return_index=True)
    order = np.argsort(places)
    distinct, places = distinct[order], places[order]
    stays = np.ones(len(distinct), bool)
    for earlier, later in _edges(distinct, distance):
        stays[later] &= not stays[earlier]
    kept[places] = stays
    return kept


def masks(distance: int, shared: int) -> Hashes:
    """Return the bits of each table: every choice of `shared` among `distance + shared` bands."""
    cuts = np.linspace(0, BITS, distance + shared + 1).round().astype(int)
    bands = [(1 << int(high)) - (1 << int(low)) for low, high in pairwise(cuts)]
    return np.array([sum(chosen) for chosen in combinations(bands, shared)], np.uint64)


def _edges(distinct: Hashes, distance: int) -> list[tuple[int, int]]:
    """Return all pairs (earlier, later) of near rows, in order of the later."""
    if not distance or len(distinct) < 2:
        return []
    pairs_by_table = [
        pair
        for mask in masks(distance, _shared(len(distinct), distance))
        for pair in _near(distinct, distinct & mask, distance)
    ]
    if not pairs_by_table:
        return []
    pairs = np.unique(np.concatenate(pairs_by_table), axis=0)  # by the later, then by the earlier
    return [(int(earlier), int(later)) for later, earlier in pairs]


def _shared(count: int, distance: int) -> int:
    """Return how many bands make a key, so that a drawer holds few of `count` random hashes."""
    needed = np.log2(count) - _DRAWER
    return next(
        (shared for shared in (1, 2, 3) if shared * BITS / (distance + shared) >= needed), 3
    )


def _near(distinct: Hashes, keys: Hashes, distance: int) -> Iterator[NDArray[np.int64]]:
    """Yield near pairs (later, earlier) that share a key: each row with those behind it."""
    order = np.argsort(keys, kind="stable")
    sorted_keys = keys[order]
    starts = np.flatnonzero(np.r_[True, sorted_keys[1:] != sorted_keys[:-1]])
    sizes = np.diff(np.r_[starts, len(keys)])
    ends = np.repeat(starts + sizes, sizes)
    left = np.arange(len(keys))
    for step in range(1, int(sizes.max(initial=1))):
        left = left[left + step < ends[left]]
        for at in range(0, len(left), _PAIRS):
            one = order[left[at : at + _PAIRS]]
            two = order[left[at : at + _PAIRS] + step]
            near = np.bitwise_count(distinct[one] ^ distinct[two]) <= distance
            yield np.stack([two[near], one[near]], axis=1)


def _parts(code: int) -> Iterator[int]:
    return ((code >> _WIDTH * band) & (2**_WIDTH - 1) for band in range(_QUARTERS))


def _flips(most: int) -> Iterator[int]:
    """Yield every mask of at most `most` bits of a quarter."""
    for count in range(most + 1):
        for places in combinations(range(_WIDTH), count):
            yield sum(1 << place for place in places)
