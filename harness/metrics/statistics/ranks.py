"""How well a value tells two groups apart: the area under the ROC curve, with its interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.interfaces import Array
from harness.metrics.statistics.intervals import Ends, clopper_pearson, effective_count
from harness.metrics.statistics.jackknife import clusters


def auc(
    high: Array, low: Array, high_names: Sequence[str] = (), low_names: Sequence[str] = ()
) -> Ends:
    """Return how often a value of `high` is above one of `low`, ties by half, with its interval.

    Values of one name are not independent: each name counts as one unit, as Obuchowski has it
    (1997, Biometrics 53, p. 567); without names each value does. The interval is Clopper and
    Pearson's for as many units as the variance is worth, so it stays within 0 and 1; where all
    pairs are in order, for as many as the smaller group has.
    """
    above = np.searchsorted(np.sort(low), high, "left") / len(low)
    level = np.searchsorted(np.sort(low), high, "right") / len(low)
    each_high = (above + level) / 2
    below = np.searchsorted(np.sort(high), low, "left") / len(high)
    up_to = np.searchsorted(np.sort(high), low, "right") / len(high)
    each_low = 1 - (below + up_to) / 2
    value = float(each_high.mean())
    error, units = 0.0, []
    for each, names in ((each_high, high_names), (each_low, low_names)):
        sums = _summed(each - value, names)
        units.append(len(sums))
        error += _variance(sums, len(each))
    count = effective_count(value, error, sum(units)) if error > 0 else min(units)
    return value, *clopper_pearson(value, count)


def _summed(away: Array, names: Sequence[str]) -> Array:
    """Return the sum of each name's values; the values themselves where there are no names."""
    return np.asarray(np.bincount(clusters(names), weights=away) if names else away, np.float64)


def _variance(sums: Array, count: int) -> float:
    """Return the variance of the mean of `count` values that make these sums."""
    units = len(sums)
    return float(units / max(units - 1, 1) * np.square(sums).sum() / count**2)
