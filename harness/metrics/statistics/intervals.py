"""95 % intervals: how far they reach to either side of a value.

All are over independent units, which here are prompts: images of one prompt are not independent.
"""

from __future__ import annotations

from math import hypot

import numpy as np
import scipy

from harness.interfaces import Array

LEVEL = 0.95
ALPHA = 0.05
"""What is left of `LEVEL`: the rate of false alarms of one test."""
Z = 1.96
"""Standard deviations that a normal number stays within 19 times in 20."""
Ends = tuple[float, float, float]
"""Value, low and high."""


def t_quantile(freedom: float) -> float:
    """Return how many standard errors a 95 % interval by t reaches to either side."""
    return float(scipy.special.stdtrit(freedom, 0.5 + LEVEL / 2))


def half_width(values: Array) -> float:
    """Return half the width of the t-interval of a mean: for values without a long tail."""
    count = len(values)
    return float(t_quantile(count - 1) * (values.std(ddof=1) / np.sqrt(count)))


def skewness_corrected(values: Array) -> tuple[Array, Array]:
    """Return how far intervals of means over the last axis reach down, and how far up.

    Where values have a long tail on one side, t · SE misses the mean on that side too often. The
    quantiles of t are put through the inverse of Hall's cubic transformation of the skewness
    (1992, J. R. Statist. Soc. B 54, p. 221).
    """
    count, spread = values.shape[-1], values.std(-1)
    t = t_quantile(count - 1)
    error = spread / np.sqrt(count - 1)
    even = spread <= 1e-12 * np.abs(values).max(-1)
    scaled = (values - values.mean(-1, keepdims=True)) / np.where(even, 1.0, spread)[..., None]
    skewness = np.mean(scaled**3, -1) / (3 * np.sqrt(count))
    symmetric = even | (np.abs(skewness) < 1e-6)
    safe = np.where(symmetric, 1.0, skewness)
    low, high = (
        np.where(symmetric, end, (np.cbrt(1 + 3 * safe * (end - safe / 2)) - 1) / safe)
        for end in (-t, t)
    )
    return np.asarray(high * error), np.asarray(-low * error)


def clopper_pearson(share: float, count: float) -> tuple[float, float]:
    """Return the exact interval of a share of `count` units (Clopper & Pearson 1934).

    `count` need not be whole: Korn & Graubard (1998, Survey Methodology 24, p. 193) take as many
    independent units as a clustered sample is worth.
    """
    yes, no, tail = share * count, (1 - share) * count, (1 - LEVEL) / 2
    low = scipy.special.betaincinv(yes, no + 1, tail) if yes > 0 else 0.0
    high = scipy.special.betaincinv(yes + 1, no, 1 - tail) if no > 0 else 1.0
    return float(low), float(high)


def effective_count(share: float, error: float, most: int) -> float:
    """Return how many independent units a share with this variance `error` is worth."""
    return min(share * (1 - share) / error, most)


def difference_of(one: Ends, other: Ends) -> Ends:
    """Return the difference of two independent values, from the interval of either.

    MOVER (Zou & Donner 2008, Statistics in Medicine 27, p. 1693).
    """
    value, low, high = one
    base, base_low, base_high = other
    delta = value - base
    down, up = hypot(value - low, base_high - base), hypot(high - value, base - base_low)
    return delta, delta - down, delta + up


def widened(ends: Ends, deviation: float) -> Ends:
    """Return an interval to which an independent normal part of a known deviation is added."""
    value, low, high = ends
    down, up = hypot(value - low, Z * deviation), hypot(high - value, Z * deviation)
    return value, value - down, value + up


def normal_p(distance: float, reach: float) -> float:
    """Return the one-sided p of a normal number whose 95 % interval reaches `reach`, of being
    `distance` away."""
    away = Z * distance / reach if reach > 0 else float(np.copysign(np.inf, distance))
    return float(scipy.special.ndtr(-away))
