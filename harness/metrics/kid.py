"""Kernel distance (KID): the unbiased squared MMD with a cubic kernel (arXiv:1801.01401)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.interfaces import Array, Evidence, Measurement
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


def kid(spec: Kid, evidence: Evidence) -> Measurement:
    """Return KID over all pairs, with a jackknife over prompts; the reference is held fixed."""
    own, reference = evidence.own, evidence["reference"]
    reason = distance_refusal(own, reference)
    if reason is not None:
        return refused(len(own), reason)
    cluster = clusters(own.prompt_ids)
    among = sums_between(own.images, own.images, cluster, cluster)
    among[np.diag_indices_from(among)] -= np.bincount(cluster, weights=_selves(own.images))
    one = np.zeros(len(reference), np.int64)
    across = sums_between(own.images, reference.images, cluster, one)[:, 0]
    theirs = off_diagonal_mean(reference.images)
    sizes = np.bincount(cluster)
    n, m = len(own), len(reference)

    def distance(inner: Array | float, outer: Array | float, left: Array | float) -> Array:
        return np.asarray(inner / (left * (left - 1)) + theirs - 2 * outer / (left * m))

    value = float(distance(among.sum(), across.sum(), float(n)))
    inner = among.sum() - 2 * among.sum(1) + np.diag(among)
    without = distance(inner, across.sum() - across, n - sizes.astype(np.float64))
    return of_pseudo(value, pseudo_values(value, without), n)


def mmd2(x: Array, y: Array) -> float:
    """Unbiased squared MMD with the cubic kernel of KID (arXiv:1801.01401)."""
    one_x, one_y = np.zeros(len(x), np.int64), np.zeros(len(y), np.int64)
    across = sums_between(x, y, one_x, one_y)[0, 0] / (len(x) * len(y))
    return float(off_diagonal_mean(x) + off_diagonal_mean(y) - 2 * across)


def kernel(x: Array, y: Array) -> Array:
    """Return (x·y / d + 1)³ for all pairs of rows."""
    product = x @ y.T / x.shape[1] + 1
    return product * product * product  # type: ignore[no-any-return]


def sums_between(
    x: Array, y: Array, groups_x: NDArray[np.int64], groups_y: NDArray[np.int64]
) -> Array:
    """Return the kernel's sum for each pair of groups, a block of rows at a time."""
    many_x, many_y = int(groups_x.max()) + 1, int(groups_y.max()) + 1
    total = np.zeros((many_x, many_y))
    columns = np.eye(many_y)[groups_y] if many_y > 1 else np.ones((len(y), 1))
    block = max(1, HELD // len(y))
    for at in range(0, len(x), block):
        rows = kernel(x[at : at + block], y) @ columns
        np.add.at(total, groups_x[at : at + block], rows)
    return total


def off_diagonal_mean(x: Array) -> float:
    """Return the kernel's mean over pairs of different rows."""
    one = np.zeros(len(x), np.int64)
    whole = sums_between(x, x, one, one)[0, 0]
    return float((whole - _selves(x).sum()) / (len(x) * (len(x) - 1)))


def _selves(x: Array) -> Array:
    """Return the kernel of each row with itself."""
    return np.asarray((np.square(x).sum(1) / x.shape[1] + 1) ** 3, np.float64)
