"""Maximum mean discrepancy (arXiv:0805.2368): the U-statistic of any kernel, tile by tile.

No matrix of all pairs of images is ever held, nor one of all pairs of prompts; a pair's kernel is
computed once.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from harness.interfaces import Array, FeatureSet, Measurement
from harness.metrics.intervals import (
    clusters,
    distance_refusal,
    of_pseudo,
    pseudo_values,
    refused,
)
from harness.metrics.specs.fidelity import Pairs

Kernel = Callable[[Array, Array], Array]
"""Rows x and rows y to the similarity of all their pairs, in an array of its own."""
TILE = 2048
"""Rows and columns of a kernel's matrix that are held at once."""
NEAR = 128
"""Rows whose prompts are looked into at once."""


def measure(own: FeatureSet, reference: FeatureSet, alike: Kernel, pairs: Pairs) -> Measurement:
    """Return the squared MMD with an interval; leaving out a prompt only takes sums away.

    Images of one prompt are more alike than two images that the model would draw of any prompts,
    so among the images only pairs of unlike prompts count, unless `pairs` says all.
    """
    cluster, n = clusters(own.prompt_ids), len(own)
    sizes = np.bincount(cluster).astype(np.float64)
    reason = distance_refusal(own, reference)
    if reason is None and pairs == "unlike-prompts" and len(sizes) < 3:
        reason = f"needs 3 prompts, has {len(sizes)}: only pairs of unlike prompts count"
    if reason is not None:
        return refused(n, reason)
    among = np.bincount(cluster, weights=sums_among(own.images, alike))
    within, couples = sums_within(own.images, cluster, alike), sizes * (sizes - 1)
    dropped, gone = (within, couples) if pairs == "unlike-prompts" else (0 * within, 0 * couples)
    across = np.bincount(cluster, weights=sums_across(own.images, reference.images, alike))
    across, theirs = across / len(reference), mean_among(reference.images, alike)
    value = (among - dropped).sum() / (n * (n - 1) - gone.sum()) + theirs - 2 * across.sum() / n
    left = n - sizes
    inner = among.sum() - 2 * among + within - (dropped.sum() - dropped)
    many = left * (left - 1) - (gone.sum() - gone)
    without = inner / many + theirs - 2 * (across.sum() - across) / left
    return of_pseudo(float(value), pseudo_values(float(value), without), n)


def mmd2(x: Array, y: Array, alike: Kernel) -> float:
    """Return the unbiased squared MMD of the rows of `x` and `y`; it may fall below zero."""
    across = sums_across(x, y, alike).sum() / (len(x) * len(y))
    return float(mean_among(x, alike) + mean_among(y, alike) - 2 * across)


def mean_among(x: Array, alike: Kernel) -> float:
    """Return the kernel's mean over pairs of different rows."""
    return float(sums_among(x, alike).sum() / (len(x) * (len(x) - 1)))


def sums_among(x: Array, alike: Kernel) -> Array:
    """Return each row's kernel, summed over the other rows."""
    sums = np.zeros(len(x))
    for at in range(0, len(x), TILE):
        for other in range(at, len(x), TILE):
            tile = alike(x[at : at + TILE], x[other : other + TILE])
            if other == at:
                np.fill_diagonal(tile, 0)
            else:
                sums[other : other + TILE] += tile.sum(0)
            sums[at : at + TILE] += tile.sum(1)
    return sums


def sums_across(x: Array, y: Array, alike: Kernel) -> Array:
    """Return each row's kernel, summed over the rows of `y`."""
    sums = np.zeros(len(x))
    for at in range(0, len(x), TILE):
        for other in range(0, len(y), TILE):
            sums[at : at + TILE] += alike(x[at : at + TILE], y[other : other + TILE]).sum(1)
    return sums


def sums_within(x: Array, cluster: NDArray[np.int64], alike: Kernel) -> Array:
    """Return the kernel's sum over pairs of different rows of each cluster."""
    order, ends = np.argsort(cluster, kind="stable"), np.cumsum(np.bincount(cluster))
    found, at = np.zeros(len(ends)), 0
    while at < len(x):
        end = int(ends[np.searchsorted(ends, min(at + NEAR, len(x)))])
        rows, names = x[order[at:end]], cluster[order[at:end]]
        if names[0] == names[-1]:
            found[names[0]] = sums_among(rows, alike).sum()
        else:
            tile = alike(rows, rows) * (names[:, None] == names)
            np.fill_diagonal(tile, 0)
            found += np.bincount(names, weights=tile.sum(1), minlength=len(found))
        at = end
    return found
