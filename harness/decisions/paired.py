"""What two results differ by on the same prompts: intervals, tests, and what a test can see.

All of it is float64 mathematics on one difference a prompt. Images of one prompt are not
independent, so the prompt is the unit of every test; what the differences are is not known here.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from harness.interfaces import Array

ALPHA = 0.05
POWER = 0.8
EXACT_BELOW = 30
"""Prompts from which on the t-test is as good as going through all exchanges of A and B."""
MOST_PROMPTS, MOST_FREEDOM = 1_000_000, 1e6
"""From here on t is the normal distribution to six digits."""
SURE = 50.0
"""Standard errors away at which an effect is all but surely seen, be there two prompts."""
TIE = 1e-12
"""How far apart two statistics are, as a share of what they are made of, that count as equal."""


@dataclass(frozen=True)
class Part:
    """One source of a difference's variance; its freedom is endless where the size is known."""

    variance: float
    """Of the difference itself, such as s²/n."""
    freedom: float = math.inf


@dataclass(frozen=True)
class Difference:
    """A difference with its 95 % interval and two-sided p, both by t."""

    value: float
    low: float
    high: float
    p: float
    error: float
    """The standard error."""
    freedom: float


@dataclass(frozen=True)
class Tally:
    """On how many prompts one side is ahead, even, and behind."""

    wins: int = 0
    ties: int = 0
    losses: int = 0


def usual_margin(a: Array, b: Array) -> float:
    """Return half the pooled standard deviation of two sides' prompts: a convention, no more."""
    return float(np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)) / 2


def tally(a: Array, b: Array) -> Tally:
    """Return how often a value of `a` is above its partner in `b`, rounding aside."""
    even = np.abs(a - b) <= 1e-9 * np.maximum(np.abs(a), np.abs(b))
    above = int((~even & (a > b)).sum())
    return Tally(above, int(even.sum()), len(a) - int(even.sum()) - above)


def tallies(a: Array, b: Array, groups: Sequence[Sequence[str]]) -> dict[str, Tally]:
    """Return the tally of all prompts, under "", and of each group, given each prompt's groups."""
    rows: dict[str, list[int]] = {"": list(range(len(a)))}
    for row, names in enumerate(groups):
        for name in names:
            rows.setdefault(name, []).append(row)
    return {name: tally(a[at], b[at]) for name, at in sorted(rows.items())}


def of_prompts(each: Array) -> Part:
    """Return what the choice of prompts adds to the variance of the mean of `each`."""
    return Part(float(each.var(ddof=1)) / len(each), len(each) - 1)


def of_runs(values: Array) -> Part:
    """Return what the choice of training runs adds for one side, from its runs' own values."""
    return Part(float(values.var(ddof=1)) / len(values), len(values) - 1)


def of_known_runs(between: float, runs: int = 1) -> Part:
    """Return what training runs add for one side where their spread is known: τ²/R."""
    return Part(between**2 / runs)


def combined(parts: Sequence[Part]) -> tuple[float, float]:
    """Return the standard error and the degrees of freedom (Welch–Satterthwaite) of all parts."""
    variance = math.fsum(part.variance for part in parts)
    if variance == 0:
        return 0.0, min(part.freedom for part in parts)
    shares = math.fsum((part.variance / variance) ** 2 / part.freedom for part in parts)
    freedom = 1 / shares if shares > 1 / MOST_FREEDOM else MOST_FREEDOM
    return math.sqrt(variance), freedom


def difference(each: Array) -> Difference:
    """Return the mean of one difference a prompt, by t with n − 1 degrees of freedom."""
    return estimate(float(each.mean()), [of_prompts(each)])


def estimate(value: float, parts: Sequence[Part]) -> Difference:
    """Return `value` with the interval and p that the parts of its variance allow."""
    error, freedom = combined(parts)
    reach = float(stats.t.isf(ALPHA / 2, freedom)) * error
    if error > 0:
        p = float(2 * stats.t.sf(abs(value) / error, freedom))
    else:
        p = 1.0 if value == 0 else 0.0
    return Difference(value, value - reach, value + reach, p, error, freedom)


def paired_p(each: Array) -> float:
    """Return the two-sided p of a mean of differences: exact for few prompts, else by t."""
    return sign_flip(each) if len(each) < EXACT_BELOW else difference(each).p


def sign_flip(each: Array) -> float:
    """Return the share of all 2ⁿ exchanges of A and B by prompt whose |sum| is no smaller.

    The sums of either half of the prompts meet in the middle (Horowitz and Sahni 1974), so n = 29
    takes 2¹⁵ sums, not 2²⁹. Both tails are alike; one is counted.
    """
    seen = abs(float(each.sum())) - TIE * float(np.abs(each).sum())
    if seen <= 0:
        return 1.0
    one, other = (_signed_sums(half) for half in np.array_split(each, 2))
    other.sort()
    reached = len(other) - np.searchsorted(other, seen - one)
    return float(2 * reached.sum() / (len(one) * len(other)))


def _signed_sums(values: Array) -> Array:
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums - value, sums + value])
    return sums


def least_p(prompts: int) -> float:
    """Return the smallest p that an exact sign-flip of so many prompts can have."""
    return float(2.0 ** (1 - prompts))


def swap_p(
    a: Array,
    b: Array,
    cluster: NDArray[np.int64],
    statistic: Callable[[Array], float],
    draws: int = 999,
    seed: int = 0,
) -> float:
    """Return the two-sided p of statistic(a) − statistic(b) by exchanging A and B within prompts.

    Row by row `a` and `b` are features of one prompt and seed, and `cluster` numbers the prompts
    from 0. Exact for any statistic, such as a Fréchet distance to a fixed reference.
    """
    rng = np.random.default_rng(seed)
    one, other = statistic(a), statistic(b)
    seen = abs(one - other) - TIE * (abs(one) + abs(other))
    count, reached = int(cluster.max()) + 1, 0
    for _ in range(draws):
        swapped = rng.integers(0, 2, count)[cluster][:, None] == 1
        gap = statistic(np.where(swapped, b, a)) - statistic(np.where(swapped, a, b))
        reached += abs(gap) >= seen
    return (1 + reached) / (1 + draws)


def holm(p: Sequence[float]) -> list[float]:
    """Return p-values adjusted so that any false alarm among all of them keeps to its rate.

    Step-down, for p-values that depend on each other in any way (Holm 1979).
    """
    values = np.asarray(p, np.float64)
    order = np.argsort(values, kind="stable")
    adjusted = np.empty(len(values))
    steps = values[order] * np.arange(len(values), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted.tolist()


def power(effect: float, error: float, freedom: float) -> float:
    """Return how often a two-sided t-test at 5 % sees a true `effect`, and on its own side of zero.

    Noncentral t; what lies on the other side is 10⁻⁵ where power is of any use.
    """
    if error == 0:
        return 1.0 if effect != 0 else ALPHA / 2
    end = stats.t.isf(ALPHA / 2, freedom)
    return float(stats.nct.sf(end, freedom, min(abs(effect) / error, SURE)))


def detectable(error: float, freedom: float) -> float:
    """Return the smallest true effect that the test sees four times in five: its MDE."""
    return error * _errors_away(freedom)


@cache
def _errors_away(freedom: float) -> float:
    return float(optimize.brentq(lambda away: power(away, 1.0, freedom) - POWER, 0, SURE))


def prompts_needed(effect: float, spread: float, others: Sequence[Part] = ()) -> int | None:
    """Return how many prompts see `effect` four times in five; None where a million do not.

    `spread` is the standard deviation of a prompt's difference; `others` are parts of the variance
    that no number of prompts makes smaller.
    """

    def enough(prompts: int) -> bool:
        of_them = Part(spread**2 / prompts, prompts - 1)
        return power(effect, *combined([of_them, *others])) >= POWER

    found = 2 + bisect.bisect_left(range(2, MOST_PROMPTS), True, key=enough)
    return found if enough(found) else None
