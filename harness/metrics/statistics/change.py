"""Where a series of values stepped from one level to another, once."""

from __future__ import annotations

import numpy as np
import scipy

from harness.interfaces import Array

LEAST = 4
"""Values that a change can be looked for in: two on either side."""


def surest_change(values: Array, errors: Array) -> tuple[int | None, float]:
    """Return where two means differ most for their errors, and the two-sided p of that place.

    There are two values or more on either side, and each counts by 1 / error²: the likelihood-ratio
    statistic for one change of a normal mean (Hawkins 1977, J. Amer. Statist. Assoc. 72, p. 180).
    The p is that of one place: who looked at many multiplies it (Bonferroni).
    """
    if len(values) < LEAST:
        return None, 1.0
    weights = 1 / np.square(errors)
    best: tuple[float, int] = (-1.0, 0)
    for place in range(2, len(values) - 1):
        left, right = slice(0, place), slice(place, len(values))
        one, other = (np.average(values[part], weights=weights[part]) for part in (left, right))
        error = np.sqrt(1 / weights[left].sum() + 1 / weights[right].sum())
        best = max(best, (float(abs(one - other) / error), place))
    return best[1], float(2 * scipy.special.ndtr(-best[0]))
