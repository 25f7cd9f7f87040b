"""Ends of intervals, against the reference library and each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from harness.metrics.statistics.intervals import (
    clopper_pearson,
    difference_of,
    half_width,
    normal_p,
    widened,
)


def test_a_half_width_is_that_of_the_textbook_interval_of_a_mean() -> None:
    values = np.random.default_rng(0).normal(size=12)
    low, high = stats.t.interval(0.95, 11, values.mean(), stats.sem(values))
    assert half_width(values) == pytest.approx((high - low) / 2)


@pytest.mark.parametrize("yes", [0, 3, 20])
def test_a_share_of_whole_units_has_the_exact_interval(yes: int) -> None:
    expected = stats.binomtest(yes, 20).proportion_ci(method="exact")
    assert clopper_pearson(yes / 20, 20) == pytest.approx((expected.low, expected.high))


def test_the_difference_of_two_equal_normals_reaches_root_two_as_far() -> None:
    delta, low, high = difference_of((5.0, 4.0, 6.0), (3.0, 2.0, 4.0))
    assert (delta, low, high) == pytest.approx((2.0, 2 - np.sqrt(2), 2 + np.sqrt(2)))


def test_an_interval_that_nothing_is_added_to_stays_as_it_is() -> None:
    assert widened((5.0, 4.0, 7.0), 0.0) == (5.0, 4.0, 7.0)
    assert widened((0.0, -1.96, 1.96), 1.0) == pytest.approx((0, -2.7718, 2.7718), abs=1e-4)


def test_a_normal_number_is_beyond_its_interval_one_time_in_forty() -> None:
    assert normal_p(1.0, 1.0) == pytest.approx(0.025, abs=1e-4)
    assert (normal_p(1.0, 0.0), normal_p(-1.0, 0.0)) == (0.0, 1.0)
