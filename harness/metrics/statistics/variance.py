"""Components of a variance, added up with their degrees of freedom."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.interfaces import Array

MOST_FREEDOM = 1e6
"""From here on t is the normal distribution to six digits."""


@dataclass(frozen=True)
class Component:
    """One source of a value's variance; its freedom is endless where the size is known."""

    variance: float
    """Of the value itself, such as s²/n."""
    freedom: float = math.inf


def of_mean(values: Array) -> Component:
    """Return the variance of a mean, from the values that it is the mean of: s²/n.

    The values are one a prompt, or one a training run.
    """
    return Component(float(values.var(ddof=1)) / len(values), len(values) - 1)


def of_known_runs(between: float, runs: int = 1) -> Component:
    """Return what training runs add for one side where their deviation is known: τ²/R."""
    return Component(between**2 / runs)


def combined(components: Sequence[Component]) -> tuple[float, float]:
    """Return the standard error and the degrees of freedom of a sum of components.

    Welch–Satterthwaite (Satterthwaite 1946, Biometrics Bulletin 2, p. 110).
    """
    variance = math.fsum(each.variance for each in components)
    if variance == 0:
        return 0.0, min(each.freedom for each in components)
    shares = math.fsum((each.variance / variance) ** 2 / each.freedom for each in components)
    freedom = 1 / shares if shares > 1 / MOST_FREEDOM else MOST_FREEDOM
    return math.sqrt(variance), freedom
