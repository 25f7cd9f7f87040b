"""Copies: each image beside the original that it is nearest to.

How near is too near is learned from held-out pictures, which copy nothing. A mean over originals
would not do: it says nothing of a few images that copy a few originals.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.interfaces import Array, Evidence, Likeness, Measurement, Pair
from harness.metrics.intervals import refused, share_of
from harness.metrics.likeness import unit
from harness.metrics.specs.copying import Authenticity, Memorization

HELD = 2**24
"""Entries of a matrix of likenesses that are held at once."""
PAIRS = 12
LEAST = 50
"""Held-out pictures that a threshold needs: of fewer, chance alone passes the highest too often."""
SAME = 1 - 1e-6
"""The cosine from which on two rows are of one picture."""
FLAG = "copies training pictures"


def memorization(spec: Memorization, evidence: Evidence) -> Measurement:
    """Return the share of images above the likeness of held-out pictures, and the worst pairs."""
    own, originals, held_out = evidence.own, evidence["originals"], evidence["reference"]
    if len(originals) == 0 or len(held_out) < LEAST:
        few = f"needs originals and {LEAST} reference pictures"
        return refused(len(own), f"{few}; has {len(originals)} and {len(held_out)}")
    null = nearest(held_out.images, originals.images)[1]
    threshold = beyond(null, spec.percentile)
    if threshold >= SAME:
        return refused(len(own), "the reference holds originals: no copy can stand out from it")
    other, likeness = nearest(own.images, originals.images)
    copies = likeness > threshold
    share = share_of(copies, own)
    certain = share.low is not None and share.low > spec.tolerated
    return replace(
        share,
        flag=FLAG if certain else None,
        pairs=_worst(other, likeness),
        notes=(f"{copies.sum()} of {len(own)} images are above a cosine of {threshold:.4f}",),
        likeness=Likeness(likeness, other, null, threshold),
    )


def authenticity(spec: Authenticity, evidence: Evidence) -> Measurement:
    """Return the percent of images that their nearest original has a nearer neighbour than."""
    own, originals = evidence.own, evidence["originals"]
    if len(originals) < 2:
        return refused(len(own), f"needs 2 originals, has {len(originals)}")
    other, distance = closest(own.images, originals.images)
    _, apart = closest(originals.images, originals.images, itself=True)
    return share_of(distance > apart[other], own, 100.0)


def nearest(x: Array, y: Array) -> tuple[NDArray[np.int64], Array]:
    """Return which row of `y` each row of `x` has the greatest cosine to, and that cosine."""
    one, two = unit(x), unit(y)
    row, likeness = np.empty(len(x), np.int64), np.empty(len(x))
    for at in _blocks(len(x), len(y)):
        cosine = one[at] @ two.T
        row[at] = cosine.argmax(1)
        likeness[at] = cosine.max(1)
    return row, likeness


def closest(x: Array, y: Array, itself: bool = False) -> tuple[NDArray[np.int64], Array]:
    """Return which row of `y` each row of `x` is nearest to, and how far; not `itself`."""
    row, distance = np.empty(len(x), np.int64), np.empty(len(x))
    lengths = np.einsum("nd,nd->n", y, y)
    for at in _blocks(len(x), len(y)):
        squares = np.square(x[at]).sum(1)[:, None] + lengths - 2 * x[at] @ y.T
        if itself:
            squares[np.arange(len(squares)), np.arange(at.start, at.start + len(squares))] = np.inf
        row[at] = squares.argmin(1)
        distance[at] = np.linalg.norm(x[at] - y[row[at]], axis=1)
    return row, distance


def _blocks(rows: int, columns: int) -> list[slice]:
    size = max(1, HELD // columns)
    return [slice(at, min(at + size, rows)) for at in range(0, rows, size)]


def beyond(values: Array, percentile: float) -> float:
    """Return the value that another of the same kind exceeds no oftener than the rest allows.

    It is the ⌈(n + 1)p⌉th of n, the highest where n is too few for that.
    """
    rank = int(np.ceil((len(values) + 1) * percentile / 100))
    return float(np.sort(values)[min(rank, len(values)) - 1])


def _worst(other: NDArray[np.int64], likeness: Array) -> tuple[Pair, ...]:
    rows = np.argsort(-likeness, kind="stable")[:PAIRS]
    return tuple(Pair(int(row), int(other[row]), float(likeness[row])) for row in rows)
