"""Precision and recall (arXiv:1904.06991), density and coverage (arXiv:2002.09797).

A row's neighbourhood reaches to its k-th neighbour within its own set. Both sets are cut to one
size first, for neighbourhoods shrink as a set grows. Distances are had a block of rows at a time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.interfaces import Array, Evidence, FeatureSet, Measurement
from harness.metrics.intervals import distance_refusal, of_pseudo, refused
from harness.metrics.specs.fidelity import Coverage, Density, Precision, Recall
from harness.metrics.statistics.jackknife import clusters, pseudo_values

HELD = 2**21
"""Distances that are held at once."""
SEED = 0
ROUNDING = 1e-12
"""Share of the longest squared length by which two equal distances may differ."""


@dataclass(frozen=True)
class Hits:
    """Which rows of one set lie in neighbourhoods around the other's, summed either way."""

    each: NDArray[np.int64]
    """For each image: in or around how many of the reference's."""
    first: NDArray[np.int64]
    """For each of the reference: the lowest and the highest number of the prompts that hit it."""
    last: NDArray[np.int64]

    @property
    def alone(self) -> NDArray[np.bool_]:
        """Which of the reference are hit by images of one prompt only."""
        return np.asarray((self.last >= 0) & (self.first == self.last))


@dataclass(frozen=True)
class Near:
    """Each row's nearest others in its own set, nearest first."""

    squares: Array
    rows: NDArray[np.int64]


def precision(spec: Precision, evidence: Evidence) -> Measurement:
    """Return the share of images in a neighbourhood of the reference, with its interval.

    Images leave no mark on the reference's neighbourhoods, so the jackknife is exact.
    """
    return _of_images(spec, evidence, depth=1, most=1.0)


def density(spec: Density, evidence: Evidence) -> Measurement:
    """Return the mean number of neighbourhoods an image is in, over k; the jackknife is exact."""
    return _of_images(spec, evidence, depth=spec.k, most=np.inf)


def recall(spec: Recall, evidence: Evidence) -> Measurement:
    """Return the share of the reference in a neighbourhood of an image, with its interval.

    Without a prompt the others' neighbourhoods grow where its images were among the k nearest;
    as many more neighbours are kept as a prompt has images, so the jackknife is exact.
    """
    own, reference, measured = balanced(evidence.own, evidence["reference"], spec.k)
    if measured.reason is not None:
        return measured
    cluster = clusters(own.prompt_ids)
    near = neighbours(own.images, spec.k + int(np.bincount(cluster).max()))
    if near.squares.shape[1] < spec.k + int(np.bincount(cluster).max()):
        return refused(len(own), f"without its largest prompt, fewer than {spec.k + 1} images")
    met = hits(own, reference.images, near.squares[:, spec.k - 1], np.zeros(len(reference)))
    there = met.last >= 0
    lost = np.bincount(met.first[met.alone], minlength=int(cluster.max()) + 1)
    open_to = ~there | met.alone
    gained = _gained(own, cluster, near, spec.k, reference.images[open_to])
    gained &= ~there[open_to] | (met.first[open_to] == np.arange(len(gained))[:, None])
    without = (there.sum() - lost + gained.sum(1)) / len(there)
    return _said(float(there.mean()), without, own, measured, 1.0)


def coverage(spec: Coverage, evidence: Evidence) -> Measurement:
    """Return the share of the reference's neighbourhoods that hold an image.

    The radii are the reference's alone, so the jackknife is exact.
    """
    own, reference, measured = balanced(evidence.own, evidence["reference"], spec.k)
    if measured.reason is not None:
        return measured
    met = hits(own, reference.images, np.zeros(len(own)), reaches(reference.images, spec.k))
    there = met.last >= 0
    many = int(clusters(own.prompt_ids).max()) + 1
    without = (there.sum() - np.bincount(met.first[met.alone], minlength=many)) / len(there)
    return _said(float(there.mean()), without, own, measured, 1.0)


def _of_images(
    spec: Precision | Density, evidence: Evidence, depth: int, most: float
) -> Measurement:
    """Return the mean over images of the neighbourhoods they are in, up to `depth`, over it."""
    own, reference, measured = balanced(evidence.own, evidence["reference"], spec.k)
    if measured.reason is not None:
        return measured
    radii = reaches(reference.images, spec.k)
    counts = hits(own, reference.images, np.zeros(len(own)), radii).each
    each = (np.minimum(counts, 1) if depth == 1 else counts) / depth
    cluster = clusters(own.prompt_ids)
    sums, sizes = np.bincount(cluster, weights=each), np.bincount(cluster)
    without = (each.sum() - sums) / (len(each) - sizes)
    return _said(float(each.mean()), without, own, measured, most)


def _gained(
    own: FeatureSet, cluster: NDArray[np.int64], near: Near, k: int, others: Array
) -> NDArray[np.bool_]:
    """Return for each prompt which of `others` come into a neighbourhood that grows without it."""
    prompts, reach = grown(cluster, near, k)
    gained = np.zeros((int(cluster.max()) + 1, len(others)), np.bool_)
    if len(others) == 0:
        return gained
    beyond = slack(others)
    for at, squares in _blocks(own.images, others):
        for row, distances in enumerate(squares, at):
            for prompt, radius in zip(prompts[row], reach[row], strict=True):
                if prompt != cluster[row]:
                    gained[prompt] |= distances <= radius + beyond
    return gained


def grown(cluster: NDArray[np.int64], near: Near, k: int) -> tuple[NDArray[np.int64], Array]:
    """Return n × k: the prompts of each row's k nearest, and its radius without each of them."""
    prompts = cluster[near.rows]
    reach = np.empty((len(prompts), k))
    for column in range(k):
        others = prompts != prompts[:, column, None]
        at = (np.cumsum(others, axis=1) == k).argmax(1)
        reach[:, column] = near.squares[np.arange(len(at)), at]
    return prompts[:, :k], reach


def _said(
    value: float, without: Array, own: FeatureSet, measured: Measurement, most: float
) -> Measurement:
    """Return the measurement, its ends no further than the value could go."""
    wide = of_pseudo(value, pseudo_values(value, without), len(own))
    assert wide.low is not None
    assert wide.high is not None
    low, high = max(wide.low, 0.0), min(wide.high, most)
    ids = tuple(own.prompt_ids)
    return Measurement(
        value, low, high, len(own), prompts=wide.prompts, prompt_ids=ids, notes=measured.notes
    )


def balanced(
    own: FeatureSet, reference: FeatureSet, k: int
) -> tuple[FeatureSet, FeatureSet, Measurement]:
    """Return both sets at one size, and a measurement with the reason or the note for it."""
    n = min(len(own), len(reference))
    notes: tuple[str, ...] = ()
    if len(own) != len(reference):
        had = f"{len(own)} images and {len(reference)} reference pictures"
        notes = (f"{had}, both cut to {n} by a draw with seed {SEED}",)
        own, reference = cut(own, reference)
    reason = distance_refusal(own, reference)
    if reason is None and n <= k:
        reason = f"needs more than k = {k} images on either side, has {n}"
    return own, reference, refused(n, reason) if reason else _noted(n, notes)


def _noted(n: int, notes: tuple[str, ...]) -> Measurement:
    return Measurement(None, None, None, n, notes=notes)


def cut(own: FeatureSet, reference: FeatureSet) -> tuple[FeatureSet, FeatureSet]:
    """Return both sets at the size of the smaller one."""
    n = min(len(own), len(reference))
    own, reference = (each if len(each) == n else _drawn(each, n) for each in (own, reference))
    return own, reference


def squared_distances(x: Array, y: Array) -> Array:
    """Return the squared distance of every row of `x` to every row of `y`."""
    return np.concatenate([squares for _, squares in _blocks(x, y)])


def _drawn(rows: FeatureSet, n: int) -> FeatureSet:
    """Return `n` rows, chosen by what they are and not by where they stand."""

    def lot(row: int) -> str:
        name = f"{SEED}:{rows.prompt_ids[row]}:{rows.seeds[row]}"
        return hashlib.sha256(name.encode()).hexdigest()

    return rows.take(np.sort(np.array(sorted(range(len(rows)), key=lot)[:n], np.int64)))


def reaches(x: Array, k: int) -> Array:
    """Return each row's squared distance to its k-th neighbour among the other rows."""
    radii = np.empty(len(x))
    for at, squares in _blocks(x, x):
        rows = np.arange(len(squares))
        squares[rows, at + rows] = np.inf
        radii[at : at + len(squares)] = np.partition(squares, k - 1, axis=1)[:, k - 1]
    return radii


def neighbours(x: Array, count: int) -> Near:
    """Return each row's `count` nearest others, or all there are."""
    count = min(count, len(x) - 1)
    near = Near(np.empty((len(x), count)), np.empty((len(x), count), np.int64))
    for at, squares in _blocks(x, x):
        rows = np.arange(len(squares))
        squares[rows, at + rows] = np.inf
        some = np.argpartition(squares, count - 1, axis=1)[:, :count]
        order = np.take_along_axis(squares, some, 1).argsort(1, kind="stable")
        chosen = np.take_along_axis(some, order, 1)
        near.rows[at : at + len(rows)] = chosen
        near.squares[at : at + len(rows)] = np.take_along_axis(squares, chosen, 1)
    return near


def hits(own: FeatureSet, others: Array, mine: Array, theirs: Array) -> Hits:
    """Return who is within whose radius: a pair is a hit at the larger of its two radii."""
    cluster = clusters(own.prompt_ids)
    each = np.zeros(len(own), np.int64)
    first = np.full(len(others), cluster.max() + 1)
    last = np.full(len(others), -1)
    beyond = slack(others)
    for at, squares in _blocks(own.images, others):
        rows = slice(at, at + len(squares))
        hit = squares <= np.maximum(mine[rows, None], theirs) + beyond
        each[rows] = hit.sum(1)
        prompt = cluster[rows, None]
        first = np.minimum(first, np.where(hit, prompt, cluster.max() + 1).min(0))
        last = np.maximum(last, np.where(hit, prompt, -1).max(0))
    return Hits(each, first, last)


def slack(rows: Array) -> float:
    """Return how far two squared distances that are equal may lie apart by rounding."""
    return float(ROUNDING * np.square(rows - rows.mean(0)).sum(1).max())


def _blocks(x: Array, y: Array) -> Iterator[tuple[int, Array]]:
    """Yield where a block of rows of `x` begins, and its squared distances to all rows of `y`.

    The products lose digits where rows are far from zero, so both are shifted to the middle.
    """
    middle = y.mean(0)
    theirs = y - middle
    lengths = np.square(theirs).sum(1)
    step = max(1, HELD // len(y))
    for at in range(0, len(x), step):
        rows = x[at : at + step] - middle
        squares = np.square(rows).sum(1)[:, None] + lengths - 2 * rows @ theirs.T
        yield at, np.maximum(squares, 0)
