"""What the loss probe says: how much an adapter helps on pictures that it never saw, and whether it
knows the pictures that it was trained on.

Losses are arrays of n pictures × T timesteps; base and adapter were asked about the same pictures
under the same noise. The unit of every interval is the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from harness.fingerprint import number_of
from harness.interfaces import Array
from harness.metrics.statistics.intervals import Ends, Z, skewness_corrected
from harness.metrics.statistics.jackknife import pseudo_values

ROUNDS = 9_999
"""Permutations of a member test: its p is a multiple of 1 / (ROUNDS + 1)."""
ALARM = 0.01
"""The p below which a member test says that training pictures are known one by one."""
DIGITS = 9
"""Digits of an advantage that count: what is alike but for rounding is a tie."""
TINY = 1e-12
"""No loss counts as less than this, so that it has a logarithm."""
LEAST = 8
"""Pictures that a figure needs on every side that it looks at."""


@dataclass(frozen=True)
class Probed:
    """The losses of one set of pictures, n × T each."""

    base: Array
    adapter: Array

    def at(self, timestep: int) -> Probed:
        """Return the losses at one timestep alone, by its number in the grid."""
        column = slice(timestep, timestep + 1)
        return Probed(self.base[:, column], self.adapter[:, column])

    def take(self, rows: Array) -> Probed:
        return Probed(self.base[rows], self.adapter[rows])

    def __len__(self) -> int:
        return len(self.base)


def gain(probed: Probed) -> Ends | None:
    """Return by which share of the base's loss the adapter's is lower, with its interval.

    It is 1 − Σ adapter / Σ base; below 0, the adapter predicts these pictures worse than the base.
    None where there are too few pictures or a loss is not finite.
    """
    base, adapter = probed.base.mean(1), probed.adapter.mean(1)
    if len(base) < 2 or not (np.isfinite(base).all() and np.isfinite(adapter).all()):
        return None
    value = 1 - float(adapter.sum() / base.sum())
    without = 1 - (adapter.sum() - adapter) / (base.sum() - base)
    down, up = skewness_corrected(pseudo_values(value, without))
    return value, value - float(down), value + float(up)


def advantages(probed: Probed) -> Array:
    """Return how much better than the base the adapter predicts each picture, n values.

    It is the mean over the timesteps of log base − log adapter: as a share of each picture's own
    loss, or the timesteps and pictures with the largest losses would speak alone.
    """
    base, adapter = (np.log(np.maximum(each, TINY)) for each in (probed.base, probed.adapter))
    return np.asarray((base - adapter).mean(1).round(DIGITS), np.float64)


@dataclass(frozen=True)
class MemberTest:
    """How well trained and unseen pictures are told apart by what the adapter gained on each."""

    auc: float
    """The probability that it gained more on a trained picture than on an unseen one."""
    low: float
    high: float
    p: float
    """The share of permutations of the pictures with an AUC as high: one-sided."""

    def significant(self, looks: int = 1) -> bool:
        """Return whether it is significant, where it was asked so many times (Bonferroni)."""
        return self.p <= max(ALARM / looks, 1 / (ROUNDS + 1))


def member_test(trained: Probed, unseen: Probed) -> MemberTest | None:
    """Return the member test; None where there are too few pictures or losses are not finite."""
    if min(len(trained), len(unseen)) < LEAST:
        return None
    one, two = advantages(trained), advantages(unseen)
    if not (np.isfinite(one).all() and np.isfinite(two).all()):
        return None
    value = auc(one, two)
    low, high = auc_interval(one, two)
    return MemberTest(value, low, high, permutation_p(one, two))


def auc(one: Array, two: Array) -> float:
    """Return the probability that a value of `one` is above one of `two`; a tie counts half."""
    ranks = scipy.stats.rankdata(np.concatenate([one, two]))[: len(one)]
    above = ranks.sum() - len(one) * (len(one) + 1) / 2
    return float(above / (len(one) * len(two)))


def auc_interval(one: Array, two: Array) -> tuple[float, float]:
    """Return the 95 % interval of an AUC.

    The variance is that of DeLong et al. (1988, Biometrics 44, p. 837), the interval is made on the
    scale of the logit. Where all pairs agree it is that of one pair that does not.
    """
    value, pairs = auc(one, two), len(one) * len(two)
    wins = (one[:, None] > two) + 0.5 * (one[:, None] == two)
    error = np.sqrt(wins.mean(1).var(ddof=1) / len(one) + wins.mean(0).var(ddof=1) / len(two))
    inside = float(np.clip(value, 1 / (2 * pairs), 1 - 1 / (2 * pairs)))
    reach = Z * max(float(error), 1 / (2 * pairs)) / (inside * (1 - inside))
    centre = scipy.special.logit(inside)
    low, high = (float(scipy.special.expit(end)) for end in (centre - reach, centre + reach))
    return min(low, value), max(high, value)


def permutation_p(one: Array, two: Array, rounds: int = ROUNDS) -> float:
    """Return the share of permutations with an AUC at least as high; the one seen counts too.

    The permutations belong to the numbers of values: the same values give the same p.
    """
    ranks = scipy.stats.rankdata(np.concatenate([one, two]))
    seen = ranks[: len(one)].sum()
    rng = np.random.default_rng(number_of("member test", len(one), len(two)))
    as_high = 0
    for start in range(0, rounds, 1_000):
        keys = rng.random((min(1_000, rounds - start), len(ranks)))
        picked = np.argpartition(keys, len(one) - 1, axis=1)[:, : len(one)]
        as_high += int((ranks[picked].sum(1) >= seen).sum())
    return (as_high + 1) / (rounds + 1)
