"""Which of several may be the best: a set that holds the best one 19 times in 20."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy

from harness.interfaces import Array
from harness.metrics.statistics.intervals import ALPHA, t_quantile


def above_p(gap: float, each: Array) -> float:
    """Return the one-sided p of a difference that is above 0, by t over one difference a prompt.

    `gap` is the difference; the mean of `each` may miss it, as pseudo-values do. 1 where there are
    too few prompts to say.
    """
    if len(each) < 2:
        return 1.0
    return _p(gap, float(each.std(ddof=1)) / float(np.sqrt(len(each))), len(each) - 1)


def above_p_of_interval(gap: float, reach: float, units: int) -> float:
    """Return the same from the half-width of a 95 % interval by t over so many prompts."""
    return 1.0 if units < 2 else _p(gap, reach / t_quantile(units - 1), units - 1)


def _p(gap: float, error: float, freedom: float) -> float:
    if error > 0:
        return float(scipy.special.stdtr(freedom, -gap / error))
    return 0.0 if gap > 0 else 1.0


def beaten_p(p: Sequence[float]) -> float:
    """Return the p of "it is the best", from that of each rival being better (Bonferroni).

    Each of several is tested by itself at 5 %. The set of those that pass holds the best one 19
    times in 20, however many there are, since only the test of the best one may not fail (Hsu
    1996, Multiple Comparisons, ch. 4).
    """
    return min(1.0, len(p) * min(p)) if p else 1.0


def at_once(low: float, high: float, value: float, units: int, several: int) -> tuple[float, float]:
    """Return a 95 % interval widened so that `several` of them hold together (Bonferroni).

    It was made by t over so many `units`, or by the normal where these are not known.
    """
    tail = 1 - ALPHA / (2 * max(1, several))
    if units < 2:
        wide = float(scipy.special.ndtri(tail) / scipy.special.ndtri(1 - ALPHA / 2))
    else:
        wide = float(scipy.special.stdtrit(units - 1, tail)) / t_quantile(units - 1)
    return value - wide * (value - low), value + wide * (high - value)
