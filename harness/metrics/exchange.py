"""What a metric says of two sets after their rows were exchanged, without starting again.

An exchange only moves rows from one set to the other. So distances and products are computed once,
for the rows of both, and a draw picks from them. Each metric's quick way is in a module of its
own, `exchange_*.py`; its values are those of the metric itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from harness.interfaces import Array, Evidence, FeatureSet, MetricSpec, Side
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
    largest = max(2 * len(a), *(len(each) for each in sides.values())) if sides else 0
    if metric.exchange is not None and largest**2 <= HELD:
        quick: Values | None = code_at(metric.exchange)(metric, a, b, sides)
        if quick is not None:
            return quick
    return _anew(metric, a, b, sides)


def _anew(
    metric: MetricSpec, a: FeatureSet, b: FeatureSet, sides: Mapping[Side, FeatureSet]
) -> Values:
    """Return what the metric measures from nothing at each exchange."""
    measure = implementation(metric)

    def value(own: FeatureSet, images: Array) -> float:
        found = measure(metric, Evidence(_with(own, images), sides)).value
        return float("nan") if found is None else float(found)

    def values(swapped: Rows) -> tuple[float, float]:
        rows = swapped[:, None]
        one, other = np.where(rows, b.images, a.images), np.where(rows, a.images, b.images)
        return value(a, one), value(b, other)

    return values


def _with(rows: FeatureSet, images: Array) -> FeatureSet:
    return FeatureSet(images, rows.prompts, rows.prompt_ids, rows.seeds, rows.texts, rows.more)


def either(swapped: Rows) -> tuple[Chosen, Chosen]:
    """Return the rows of A and of B after an exchange."""
    n = len(swapped)
    rows = np.arange(n)
    return np.where(swapped, rows + n, rows), np.where(swapped, rows, rows + n)


def both(of: Callable[[Chosen], float]) -> Values:
    """Return the values of either set, given that of any chosen rows."""

    def values(swapped: Rows) -> tuple[float, float]:
        one, other = either(swapped)
        return of(one), of(other)

    return values
