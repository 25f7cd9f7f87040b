"""Which of several may be the best: the set holds the best one as often as it says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from harness.metrics.statistics.best import above_p, above_p_of_interval, at_once, beaten_p
from harness.metrics.statistics.intervals import half_width


def test_the_p_of_a_difference_is_that_of_a_one_sided_paired_t_test() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 20)) + np.array([[0.4], [0.0]])
    known = stats.ttest_rel(a, b, alternative="greater").pvalue
    assert above_p(float((a - b).mean()), a - b) == pytest.approx(known)
    reach = half_width(a - b)
    assert above_p_of_interval(float((a - b).mean()), reach, 20) == pytest.approx(known)


def test_what_cannot_be_told_is_not_above() -> None:
    assert above_p(9.0, np.array([9.0])) == 1.0
    assert above_p_of_interval(9.0, 1.0, 1) == 1.0
    assert above_p(0.0, np.zeros(9)) == 1.0
    assert above_p(1.0, np.ones(9)) == 0.0, "every prompt says so, by the same amount"


def test_a_rival_counts_once_for_each_that_was_asked() -> None:
    assert beaten_p([0.01, 0.5, 0.9]) == pytest.approx(0.03)
    assert beaten_p([0.5, 0.9]) == 1.0
    assert beaten_p([]) == 1.0


def test_intervals_that_hold_together_are_wider() -> None:
    assert at_once(1.0, 4.0, 2.0, 20, 1) == (1.0, 4.0)
    low, high = at_once(1.0, 4.0, 2.0, 20, 6)
    factor = stats.t.ppf(1 - 0.05 / 12, 19) / stats.t.ppf(0.975, 19)
    assert (low, high) == pytest.approx((2 - factor, 2 + 2 * factor))


@pytest.mark.parametrize("means", [(0.0, 0.0, 0.0, 0.0, 0.0, 0.0), (0.3, 0.2, 0.1, 0.0, 0.0, 0.3)])
def test_the_best_is_lost_at_most_once_in_twenty(means: tuple[float, ...]) -> None:
    rng, lost, tries = np.random.default_rng(1), 0, 400
    for _ in range(tries):
        drawn = rng.normal(size=(len(means), 24)) + rng.normal(size=24) + np.array(means)[:, None]
        gaps = [each - drawn[0] for each in drawn[1:]]
        lost += beaten_p([above_p(float(gap.mean()), gap) for gap in gaps]) < 0.05
    assert lost / tries <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / tries)
