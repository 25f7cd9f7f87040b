"""Maximum mean discrepancy (arXiv:0805.2368): the U-statistic of any kernel, tile by tile.

No matrix of all pairs of images is ever held, nor one of all pairs of prompts; a pair's kernel is
computed once.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from harness.interfaces import Array, FeatureSet, Measurement
from harness.metrics.intervals import distance_refusal, of_pseudo, refused
from harness.metrics.specs.fidelity import Pairs
from harness.metrics.statistics.jackknife import clusters, pseudo_values

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
    likeness = _among(own.images, cluster, alike, pairs) / _pairs(sizes, pairs)
    sums = sums_across(own.images, reference.images, alike) / len(reference)
    across = np.asarray(np.bincount(cluster, weights=sums), np.float64)
    outer = (across.sum() - np.append(across, 0)) / (n - np.append(sizes, 0))
    each = likeness + mean_among(reference.images, alike) - 2 * outer
    value = float(each[-1])
    return of_pseudo(value, pseudo_values(value, each[:-1]), n)


def _among(x: Array, cluster: NDArray[np.int64], alike: Kernel, pairs: Pairs) -> Array:
    """Return the kernel's sum over pairs that count: without each prompt, and last with all."""
    sums = np.asarray(np.bincount(cluster, weights=sums_among(x, alike)), np.float64)
    return _left(sums, sums_within(x, cluster, alike), pairs)


def _pairs(sizes: Array, pairs: Pairs) -> Array:
    """Return how many pairs those are."""
    return _left(sizes * (sizes.sum() - 1), sizes * (sizes - 1), pairs)


def _left(sums: Array, within: Array, pairs: Pairs) -> Array:
    """Return the sum of all pairs without each prompt's, and last with all, given each prompt's
    pairs with any image, and those within it."""
    if pairs == "all":
        return np.asarray(sums.sum() - np.append(2 * sums - within, 0))
    return np.asarray((sums - within).sum() - np.append(2 * (sums - within), 0))


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
    sums, at = np.zeros(len(ends)), 0
    while at < len(x):
        end = int(ends[np.searchsorted(ends, min(at + NEAR, len(x)))])
        rows, names = x[order[at:end]], cluster[order[at:end]]
        if names[0] == names[-1]:
            sums[names[0]] = sums_among(rows, alike).sum()
        else:
            tile = alike(rows, rows) * (names[:, None] == names)
            np.fill_diagonal(tile, 0)
            sums += np.bincount(names, weights=tile.sum(1), minlength=len(sums))
        at = end
    return sums
