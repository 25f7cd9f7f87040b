"""Kernel distances: the unbiased squared MMD over all pairs, with KID's kernel (arXiv:1801.01401).

Another kernel makes another distance of the same pairs; `harness.metrics.cmmd` has one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from harness.interfaces import Array, Evidence, FeatureSet, Measurement
from harness.metrics.intervals import (
    clusters,
    distance_refusal,
    of_pseudo,
    pseudo_values,
    refused,
)
from harness.metrics.specs.fidelity import Kid

HELD = 2**24
"""Entries of a kernel matrix that are held at once."""
Kernel = Callable[[Array, Array], Array]
"""Rows x and rows y to the similarity of all their pairs."""


def kid(spec: Kid, evidence: Evidence) -> Measurement:
    """Return KID over all pairs, with a jackknife over prompts; the reference is held fixed."""
    return kernel_distance(evidence.own, evidence["reference"], kernel)


def kernel_distance(own: FeatureSet, reference: FeatureSet, alike: Kernel) -> Measurement:
    """Return the squared MMD with an interval; leaving out a prompt only takes sums away."""
    reason = distance_refusal(own, reference)
    if reason is not None:
        return refused(len(own), reason)
    cluster = clusters(own.prompt_ids)
    among = sums_among(own.images, cluster, alike)
    one = np.zeros(len(reference), np.int64)
    across = sums_between(own.images, reference.images, cluster, one, alike)[:, 0]
    theirs = off_diagonal_mean(reference.images, alike)
    n, m = len(own), len(reference)

    def distance(inner: Array | float, outer: Array | float, left: Array | float) -> Array:
        return np.asarray(inner / (left * (left - 1)) + theirs - 2 * outer / (left * m))

    value = float(distance(among.sum(), across.sum(), float(n)))
    inner = among.sum() - 2 * among.sum(1) + np.diag(among)
    left = n - np.bincount(cluster).astype(np.float64)
    without = distance(inner, across.sum() - across, left)
    return of_pseudo(value, pseudo_values(value, without), n)


def kernel(x: Array, y: Array) -> Array:
    """Return (x·y / d + 1)³ for all pairs of rows."""
    product = x @ y.T / x.shape[1] + 1
    return product * product * product  # type: ignore[no-any-return]


def mmd2(x: Array, y: Array, alike: Kernel = kernel) -> float:
    """Unbiased squared MMD, with the cubic kernel of KID (arXiv:1801.01401) unless told."""
    one_x, one_y = np.zeros(len(x), np.int64), np.zeros(len(y), np.int64)
    across = sums_between(x, y, one_x, one_y, alike)[0, 0] / (len(x) * len(y))
    return float(off_diagonal_mean(x, alike) + off_diagonal_mean(y, alike) - 2 * across)


def sums_between(
    x: Array,
    y: Array,
    groups_x: NDArray[np.int64],
    groups_y: NDArray[np.int64],
    alike: Kernel = kernel,
) -> Array:
    """Return the kernel's sum for each pair of groups, a block of rows at a time."""
    return _sums(x, y, groups_x, groups_y, alike, same=False)


def sums_among(x: Array, groups: NDArray[np.int64], alike: Kernel = kernel) -> Array:
    """Return the same of one set's pairs of different rows."""
    return _sums(x, x, groups, groups, alike, same=True)


def _sums(
    x: Array,
    y: Array,
    groups_x: NDArray[np.int64],
    groups_y: NDArray[np.int64],
    alike: Kernel,
    same: bool,
) -> Array:
    many_x, many_y = int(groups_x.max()) + 1, int(groups_y.max()) + 1
    total = np.zeros((many_x, many_y))
    columns = np.eye(many_y)[groups_y] if many_y > 1 else np.ones((len(y), 1))
    block = max(1, HELD // len(y))
    for at in range(0, len(x), block):
        values = alike(x[at : at + block], y)
        if same:
            rows = np.arange(len(values))
            values[rows, at + rows] = 0
        np.add.at(total, groups_x[at : at + block], values @ columns)
    return total


def off_diagonal_mean(x: Array, alike: Kernel = kernel) -> float:
    """Return the kernel's mean over pairs of different rows."""
    one = np.zeros(len(x), np.int64)
    return float(sums_among(x, one, alike)[0, 0] / (len(x) * (len(x) - 1)))
