"""What a metric says of two sets after their rows were exchanged, without starting again.

An exchange only moves rows from one set to the other. So distances and products are computed once,
for the rows of both, and a draw picks from them. Each function returns a function of the rows that
are exchanged; its values are those of the metric itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from harness.interfaces import Array, Evidence, FeatureSet, MetricSpec, Side
from harness.metrics.frechet import centred, nuclear_norm, small
from harness.metrics.prdc import cut, reaches, slack, squared_distances
from harness.metrics.specs.fidelity import Coverage, Density, Precision, Recall
from harness.plugins import code_at, implementation

Rows = NDArray[np.bool_]
"""For each row whether A's and B's change places."""
Values = Callable[[Rows], tuple[float, float]]
"""What a metric says of either set once these rows are exchanged."""
Chosen = NDArray[np.int64]
"""Rows of A, which come first, and of B, counted through both."""
HELD = 2**26
"""Distances that may be held at once; above, each draw starts anew."""


def values_of(
    metric: MetricSpec, a: FeatureSet, b: FeatureSet, sides: Mapping[Side, FeatureSet]
) -> Values:
    """Return what a metric says of A and B after exchanges, by the quickest way it has."""
    measure = implementation(metric)

    def value(own: FeatureSet) -> float:
        found = measure(metric, Evidence(own, sides)).value
        return float("nan") if found is None else float(found)

    def anew(swapped: Rows) -> tuple[float, float]:
        rows = swapped[:, None]
        one, other = np.where(rows, b.images, a.images), np.where(rows, a.images, b.images)
        return value(_with(a, one)), value(_with(a, other))

    largest = max(2 * len(a), *(len(each) for each in sides.values())) if sides else 0
    if metric.exchange is None or largest**2 > HELD or not np.isfinite([value(a), value(b)]).all():
        return anew
    quick: Values = code_at(metric.exchange)(metric, a, b, sides)
    return quick


def _with(rows: FeatureSet, images: Array) -> FeatureSet:
    return FeatureSet(images, rows.prompts, rows.prompt_ids, rows.seeds, rows.texts, rows.more)


def _both(of: Callable[[Chosen], float], n: int) -> Values:
    """Return the values of either set, given that of any chosen rows."""
    rows = np.arange(n)

    def values(swapped: Rows) -> tuple[float, float]:
        return of(np.where(swapped, rows + n, rows)), of(np.where(swapped, rows, rows + n))

    return values


def frechet_values(
    spec: MetricSpec, a: FeatureSet, b: FeatureSet, sides: Mapping[Side, FeatureSet]
) -> Values:
    """Return Fréchet distances: the products with the reference are had once."""
    real = sides["reference"].images
    rows = np.concatenate([a.images, b.images])
    middle, factor = real.mean(0), centred(real)
    rows = rows - middle
    products, lengths = rows @ small(factor).T, np.square(rows).sum(1)
    spread, n = np.square(factor).sum(), len(a)
    rank = min(n - 1, len(real) - 1, rows.shape[1])

    def distance(chosen: Chosen) -> float:
        gap, there = rows[chosen].mean(0), products[chosen]
        own = (lengths[chosen].sum() - n * (gap @ gap)) / (n - 1)
        root = nuclear_norm((there - there.mean(0)) / np.sqrt(n - 1), rank)
        return float(gap @ gap + own + spread - 2 * root)

    return _both(distance, n)


def share_values(
    spec: Precision | Density | Coverage | Recall,
    a: FeatureSet,
    b: FeatureSet,
    sides: Mapping[Side, FeatureSet],
) -> Values:
    """Return shares of neighbourhoods: all distances are had once."""
    one, real = cut(a, sides["reference"])
    other, _ = cut(b, sides["reference"])
    rows = np.concatenate([one.images, other.images])
    kept = np.isin(_names(a), _names(one))
    of = _recalled(spec, rows, real.images) if isinstance(spec, Recall) else _hit(spec, rows, real)
    values = _both(of, len(one))
    return lambda swapped: values(swapped[kept])


def _names(rows: FeatureSet) -> NDArray[np.str_]:
    pairs = zip(rows.prompt_ids, rows.seeds, strict=True)
    return np.array([f"{seed}:{prompt}" for prompt, seed in pairs])


def _hit(
    spec: Precision | Density | Coverage, rows: Array, real: FeatureSet
) -> Callable[[Chosen], float]:
    """Return the share that only the reference's neighbourhoods decide."""
    near = squared_distances(rows, real.images) <= reaches(real.images, spec.k) + slack(real.images)
    if isinstance(spec, Coverage):
        return lambda chosen: float(near[chosen].any(0).mean())
    counts = near.sum(1)
    each = counts / spec.k if isinstance(spec, Density) else np.minimum(counts, 1)
    return lambda chosen: float(each[chosen].mean())


def _recalled(spec: Recall, rows: Array, real: Array) -> Callable[[Chosen], float]:
    """Return the share of the reference within neighbourhoods of the chosen rows' own."""
    across, among = squared_distances(rows, real), squared_distances(rows, rows)
    np.fill_diagonal(among, np.inf)
    beyond = slack(real)

    def share(chosen: Chosen) -> float:
        own = among[np.ix_(chosen, chosen)]
        radii = np.partition(own, spec.k - 1, axis=1)[:, spec.k - 1]
        return float((across[chosen] <= radii[:, None] + beyond).any(0).mean())

    return share
