"""Two results on the same prompts: the mean of one difference a prompt, with its interval and p.

Images of one prompt are not independent, so the prompt is the unit of every test.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import scipy
from numpy.typing import NDArray

from harness.interfaces import Array
from harness.metrics.statistics.intervals import t_quantile
from harness.metrics.statistics.variance import Component, combined, of_mean

EXACT_BELOW = 30
"""Prompts from which on the t-test is as good as going through all exchanges of A and B."""
TIE = 1e-12
"""How far apart two statistics are, as a share of what they are made of, that count as equal."""


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


@runtime_checkable
class Countable(Protocol):
    """A statistic that knows a quicker way to count exchanges than to compute all of them."""

    def count_reached(self, swaps: Sequence[NDArray[np.bool_]], seen: float) -> int:
        """Return how many exchanges have a difference that is not smaller than `seen`."""


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


def difference(each: Array) -> Difference:
    """Return the mean of one difference a prompt, by t with n − 1 degrees of freedom."""
    return estimate(float(each.mean()), [of_mean(each)])


def estimate(value: float, components: Sequence[Component]) -> Difference:
    """Return `value` with the interval and p that the components of its variance allow."""
    error, freedom = combined(components)
    reach = t_quantile(freedom) * error
    if error > 0:
        p = float(2 * scipy.special.stdtr(freedom, -abs(value) / error))
    else:
        p = 1.0 if value == 0 else 0.0
    return Difference(value, value - reach, value + reach, p, error, freedom)


def paired_p(each: Array) -> float:
    """Return the two-sided p of a mean of differences: exact for few prompts, else by t."""
    return sign_flip(each) if len(each) < EXACT_BELOW else difference(each).p


def sign_flip(each: Array) -> float:
    """Return the share of all 2ⁿ exchanges of A and B by prompt whose |sum| is no smaller.

    Fisher's randomization test (1935, The Design of Experiments, § 21). The sums of either half of
    the prompts meet in the middle (Horowitz & Sahni 1974, J. ACM 21, p. 277), so n = 29 takes 2¹⁵
    sums, not 2²⁹. Both tails are alike; one is counted.
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
    values: Callable[[NDArray[np.bool_]], tuple[float, float]],
    cluster: NDArray[np.int64],
    draws: int = 999,
    seed: int = 0,
) -> float:
    """Return the two-sided p of a statistic of A less that of B by exchanging them within prompts.

    `values` returns the statistic of either set, given which rows change places; row by row both
    are of one prompt and seed, and `cluster` numbers the prompts from 0. Exact for any statistic,
    such as a Fréchet distance to a fixed reference; a random share of all exchanges is drawn, and
    the one that was seen counts among them (Phipson & Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9,
    39). An exchange whose statistic is not a number counts against the difference.
    """
    rng = np.random.default_rng(seed)
    one, other = values(np.zeros(len(cluster), np.bool_))
    seen = abs(one - other) - TIE * (abs(one) + abs(other))
    count = int(cluster.max()) + 1
    swaps = [rng.integers(0, 2, count)[cluster] == 1 for _ in range(draws)]
    if isinstance(values, Countable):
        reached = values.count_reached(swaps, seen)
    else:
        reached = sum(not abs(one - other) < seen for one, other in map(values, swaps))
    return (1 + reached) / (1 + draws)
