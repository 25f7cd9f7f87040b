"""Components of a variance, against the test of Welch and hand arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from harness.interfaces import Array
from harness.metrics.statistics import paired
from harness.metrics.statistics.variance import Component, combined, of_known_runs, of_mean


def normal(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).normal(size=shape)


def test_the_runs_of_two_sides_alone_are_the_test_of_welch() -> None:
    a, b = np.array([1.0, 1.4, 1.1]), np.array([0.2, 0.9, 0.8, 0.1])
    found = paired.estimate(float(a.mean() - b.mean()), [of_mean(a), of_mean(b)])
    theirs = stats.ttest_ind(a, b, equal_var=False)
    assert found.p == pytest.approx(theirs.pvalue, rel=1e-12)
    assert found.freedom == pytest.approx(theirs.df, rel=1e-12)


def test_prompts_and_runs_add_up_as_they_do_for_one_result() -> None:
    prompts, runs = normal(7, 20), np.array([0.1, 0.3, 0.7])
    found = paired.estimate(0.3, [of_mean(prompts), of_mean(runs)])
    one, other = prompts.var(ddof=1) / 20, runs.var(ddof=1) / 3
    freedom = (one + other) ** 2 / (one**2 / 19 + other**2 / 2)
    reach = stats.t.ppf(0.975, freedom) * math.sqrt(one + other)
    assert found.freedom == pytest.approx(freedom)
    assert (found.low, found.high) == pytest.approx((0.3 - reach, 0.3 + reach))


def test_a_known_spread_of_trainings_widens_the_interval_and_costs_no_freedom() -> None:
    each = normal(8, 25)
    runs = [of_known_runs(0.2, runs=2), of_known_runs(0.2, runs=1)]
    known = paired.estimate(0.0, [of_mean(each), *runs])
    assert known.error**2 == pytest.approx(each.var(ddof=1) / 25 + 0.04 / 2 + 0.04)
    assert known.freedom > 24


def test_a_part_of_no_size_changes_nothing() -> None:
    alone = combined([Component(0.5, 4)])
    assert combined([Component(0.5, 4), Component(0.0, 2)]) == pytest.approx(alone)
    assert combined([Component(0.0, 4), Component(0.0, 2)]) == (0.0, 2)
