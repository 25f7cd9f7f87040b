"""How far runs lie apart that should be equal."""

from __future__ import annotations

import math

import numpy as np

from harness.interfaces import Array
from harness.metrics.statistics.intervals import Z, t_quantile

BEYOND = 2.33
"""Standard deviations that a normal number exceeds on one side one time in a hundred."""


def of_difference(values: Array) -> float:
    """Return the standard deviation of the difference of two runs, from K values: √2·s."""
    return float(math.sqrt(2) * values.std(ddof=1))


def between_runs(values: Array, sampling: float) -> float:
    """Return τ from the values of R trainings: √max(0, s² − v), by the method of moments.

    v is the variance that images give one value, such as half the mean squared standard error of
    two trainings' paired difference; both trainings are then drawn with the same seeds.
    """
    return math.sqrt(max(0.0, float(values.var(ddof=1)) - sampling))


def widened_by_t(deviation: float, runs: int) -> float:
    """Return a deviation that R runs measured, widened as t is beside the normal."""
    return deviation * t_quantile(runs - 1) / Z


def error_of(low: float, high: float, count: int) -> float:
    """Return the standard error that a t-interval over `count` values is made of."""
    return (high - low) / 2 / t_quantile(count - 1)


def stays_within(deviation: float) -> float:
    """Return what a difference of equal runs stays within 19 times in 20."""
    return Z * deviation


def share_beyond(values: Array, margin: float) -> float:
    """Return how many of all pairs of runs lie farther apart than a margin, as a share."""
    apart = np.abs(values[:, None] - values[None, :])[np.triu_indices(len(values), 1)]
    return float((apart > margin).mean())


def ruled_out(reach: float, deviation: float, between: float = 0.0) -> float:
    """Return the harm that the interval of two equal runs rules out in 99 of 100 cases.

    `reach` is half the width of the interval, `deviation` that of the difference of two runs, and
    `between` that of trainings, of which there is one on either side.
    """
    return math.hypot(reach, math.sqrt(2) * Z * between) + BEYOND * deviation
