"""Which rows of a set are held out: one rule for every page and every machine.

A row is held out when the first 8 bytes of sha256("harness held-out v1\\n" + its id), read as a
big-endian integer, lie in the lowest fifth of their range. The rule reads only the id.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from typing import Literal, Protocol, runtime_checkable

from harness.interfaces import SourceSpec

Split = Literal["all", "train", "held-out"]
RULE = "harness held-out v1\n"
BELOW = f"{-(-(2**64) // 5):016x}"
"""The first 16 hex digits of a held-out row's digest lie below this."""
_SHARES: dict[Split, tuple[int, int]] = {"all": (1, 1), "train": (4, 5), "held-out": (1, 5)}


@runtime_checkable
class HasIds(Protocol):
    """A source that knows the ids of its pictures without loading them."""

    def ids(self) -> Iterable[str]: ...


def is_held_out(name: str) -> bool:
    """Return whether the row with the id `name` belongs to the held-out fifth."""
    first = hashlib.sha256(f"{RULE}{name}".encode()).digest()[:8]
    return int.from_bytes(first, "big") * 5 < 2**64


def is_in_split(name: str, split: Split) -> bool:
    """Return whether the row with the id `name` is in `split`."""
    return split == "all" or is_held_out(name) == (split == "held-out")


def size_of(source: SourceSpec, split: Split) -> int | None:
    """Return how many pictures of `source` are in `split`: its share if ids are not known."""
    size = source.size()
    if size is None or split == "all":
        return size
    if isinstance(source, HasIds):
        return sum(is_in_split(name, split) for name in source.ids())
    share, of = _SHARES[split]
    return math.ceil(size * share / of)
