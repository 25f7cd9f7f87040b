"""Hashes that differ in few bits, found without comparing each with each.

Hashes of 64 bits are cut into bands. Two that differ in at most d bits share at least m of d + m
bands, so both stand in one drawer of the table that belongs to those m bands: nothing is missed.
Of each cluster the first row is kept: a row goes if an earlier one that was kept is near it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

BITS = 64
Hashes = NDArray[np.uint64]
_DRAWER = 3
"""Tables are chosen so that a drawer holds about 2 to this power of random hashes."""
_PAIRS = 1 << 20
"""How many pairs are compared at a time."""


class Neighbours:
    """The hashes kept so far; for a few hundred thousand rows, one after the other."""

    def __init__(self, distance: int) -> None:
        self._distance = distance
        self._masks = [int(mask) for mask in masks(distance, 2 if distance else 1)]
        self._drawers: dict[tuple[int, int], list[int]] = defaultdict(list)

    def admit(self, hashed: int) -> bool:
        """Return whether no hash that was kept is near `hashed`, which is then kept."""
        places = [(at, hashed & mask) for at, mask in enumerate(self._masks)]
        for place in places:
            for other in self._drawers.get(place, ()):
                if (other ^ hashed).bit_count() <= self._distance:
                    return False
        for place in places:
            self._drawers[place].append(hashed)
        return True


def firsts(hashes: Hashes, distance: int) -> NDArray[np.bool_]:
    """Return which rows are kept, as `Neighbours` would one after the other."""
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
    found = [
        pair
        for mask in masks(distance, _shared(len(distinct), distance))
        for pair in _near(distinct, distinct & mask, distance)
    ]
    if not found:
        return []
    pairs = np.unique(np.concatenate(found), axis=0)  # by the later, then by the earlier
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
