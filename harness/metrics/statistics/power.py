"""What a two-sided t-test at 5 % detects four times in five, and how many prompts that takes."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from functools import cache

import scipy

from harness.metrics.statistics.intervals import ALPHA
from harness.metrics.statistics.roots import root
from harness.metrics.statistics.variance import Component, combined

POWER = 0.8
MOST_PROMPTS = 1_000_000
SURE = 50.0
"""Standard errors away at which an effect is all but surely detected, be there two prompts."""


def power(effect: float, error: float, freedom: float) -> float:
    """Return how often the test detects a true `effect`, and on its own side of zero.

    Noncentral t; what lies on the other side is 10⁻⁵ where power is of any use.
    """
    if error == 0:
        return 1.0 if effect != 0 else ALPHA / 2
    end = -float(scipy.special.stdtrit(freedom, ALPHA / 2))
    return float(_noncentral_t()(end, freedom, min(abs(effect) / error, SURE)))


@cache
def _noncentral_t() -> Callable[[float, float, float], float]:
    """Return how often noncentral t is above a value.

    It is what `scipy.stats.nct.sf` calls; importing `scipy.stats` takes longer than a comparison,
    so that is for a scipy that keeps the function elsewhere.
    """
    quick: Callable[[float, float, float], float] | None
    quick = getattr(getattr(scipy.special, "_ufuncs", None), "_nct_sf", None)
    return quick or scipy.stats.nct.sf


def detectable(error: float, freedom: float) -> float:
    """Return the smallest true effect that is detected four times in five: the MDE."""
    return error * _errors_away(freedom)


@cache
def _errors_away(freedom: float) -> float:
    return root(lambda away: power(away, 1.0, freedom) - POWER, 0.0, SURE)


def prompts_needed(effect: float, deviation: float, others: Sequence[Component] = ()) -> int | None:
    """Return how many prompts detect `effect` four times in five; None where a million do not.

    `deviation` is that of a prompt's difference; `others` are components of the variance that no
    number of prompts makes smaller.
    """

    def enough(prompts: int) -> bool:
        of_them = Component(deviation**2 / prompts, prompts - 1)
        return power(effect, *combined([of_them, *others])) >= POWER

    needed = 2 + bisect.bisect_left(range(2, MOST_PROMPTS), True, key=enough)
    return needed if enough(needed) else None
