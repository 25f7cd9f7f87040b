"""Fréchet distances (FID, arXiv:1706.08500) at this N, and extrapolated to any N."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.interfaces import Array, Evidence, Measurement
from harness.metrics.frechet import frechet, frechet_without
from harness.metrics.intervals import distance_refusal, of_pseudo, refused
from harness.metrics.specs.fidelity import FdDinov2, Fid, FidClean, FidInfinity, FidTtur
from harness.metrics.statistics.jackknife import clusters, pseudo_values

Mask = NDArray[np.bool_]
SEED = 0


def fid(spec: Fid | FdDinov2 | FidTtur | FidClean, evidence: Evidence) -> Measurement:
    """Return FID at this N, with a jackknife over prompts; comparable at equal N alone."""
    own, reference = evidence.own, evidence["reference"]
    reason = distance_refusal(own, reference)
    if reason is not None:
        return refused(len(own), reason)
    value = frechet(own.images, reference.images)
    without = frechet_without(own.images, reference.images, clusters(own.prompt_ids))
    return of_pseudo(value, pseudo_values(value, without), len(own))


def protocol(spec: FidTtur | FidClean, evidence: Evidence) -> Measurement:
    """Return FID as a paper would report it, or nothing where images are too few for that."""
    n = len(evidence.own)
    if n < spec.least:
        few = "with fewer, images that repeat themselves may come out ahead"
        return refused(n, f"needs {spec.least} images, has {n}: {few}")
    return fid(spec, evidence)


def fid_infinity(spec: FidInfinity, evidence: Evidence) -> Measurement:
    """Return where the line of FID over 1/N, through subsets of the images, meets 1/N = 0.

    Leaving out a prompt takes its images out of each subset and draws the line anew.
    """
    own, reference = evidence.own, evidence["reference"]
    cluster, subsets = clusters(own.prompt_ids), nested(len(own), spec.points)
    reason = distance_refusal(own, reference) or _no_line(cluster, subsets)
    if reason is not None:
        return refused(len(own), reason)
    points = [_point(own.images, reference.images, cluster, subset) for subset in subsets]
    ends = intercepts(*(np.array(each) for each in zip(*points, strict=True)))
    value = float(ends[-1])
    return of_pseudo(value, pseudo_values(value, ends[:-1]), len(own))


def nested(n: int, points: int) -> list[Mask]:
    """Return subsets of n rows, from a quarter to all, each within the next, by a seeded draw."""
    place = np.random.default_rng(SEED).permutation(n)
    return [place < size for size in np.linspace(n / 4, n, points).round().astype(np.int64)]


def _no_line(cluster: NDArray[np.int64], subsets: list[Mask]) -> str | None:
    """Return why no line can be drawn through these subsets, or through what a prompt leaves."""
    least = 4 * len(subsets)
    if len(cluster) < least:
        return f"needs {least} images to draw a line through, has {len(cluster)}"
    first = cluster[subsets[0]]
    if len(first) - np.bincount(first).max() < 2:
        return f"one prompt holds all but one of the first {len(first)} images drawn"
    return None


def _point(x: Array, y: Array, cluster: NDArray[np.int64], subset: Mask) -> tuple[Array, Array]:
    """Return 1/N and FID of a subset: without each prompt in turn, and last with all."""
    rows, there = x[subset], cluster[subset]
    sizes = np.append(np.bincount(there, minlength=int(cluster.max()) + 1), 0)
    known, numbers = np.unique(there, return_inverse=True)
    distances = np.full(len(sizes), frechet(rows, y))
    distances[known] = frechet_without(rows, y, numbers.astype(np.int64))
    return 1 / (len(rows) - sizes), distances


def intercepts(x: Array, y: Array) -> Array:
    """Return where the least-squares line through each column's points is at x = 0."""
    away = x - x.mean(0)
    slope = (away * y).sum(0) / np.square(away).sum(0)
    return np.asarray(y.mean(0) - slope * x.mean(0))
