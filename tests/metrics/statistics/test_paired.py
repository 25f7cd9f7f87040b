"""Paired tests, against the reference library, brute force, hand arithmetic and dice."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from harness.interfaces import Array
from harness.metrics.statistics import paired
from harness.metrics.statistics.intervals import ALPHA
from harness.metrics.statistics.paired import Tally

floats = st.floats(-100, 100)
differences = st.lists(floats, min_size=2, max_size=9).map(np.array)
few_steps = st.lists(st.integers(-3, 3), min_size=1, max_size=9).map(
    lambda values: np.array(values, np.float64)
)


def normal(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).normal(size=shape)


def test_a_mean_difference_is_that_of_the_paired_t_test() -> None:
    a, b = normal(0, 40) + 0.3, normal(1, 40)
    found, theirs = paired.difference(a - b), stats.ttest_rel(a, b)
    interval = theirs.confidence_interval(0.95)
    assert found.p == pytest.approx(theirs.pvalue, rel=1e-12)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-12)
    assert found.freedom == pytest.approx(39)


def test_differences_that_are_all_nothing_are_no_evidence() -> None:
    found = paired.difference(np.zeros(40))
    assert (found.value, found.low, found.high, found.p) == (0, 0, 0, 1)


def brute_force(each: Array) -> float:
    """Return the p of all exchanges, one after another."""
    seen = abs(each.sum())
    signs = itertools.product([-1, 1], repeat=len(each))
    reached = [abs((np.array(sign) * each).sum()) >= seen - 1e-9 for sign in signs]
    return float(np.mean(reached))


@given(each=few_steps)
@settings(max_examples=60, deadline=None)
def test_the_exact_p_counts_every_exchange_and_every_tie(each: Array) -> None:
    assert paired.sign_flip(each) == brute_force(each)


def test_the_exact_p_is_that_of_the_reference_library() -> None:
    each = normal(2, 11) + 0.5
    theirs = stats.permutation_test(
        (each, np.zeros(11)),
        lambda x, y, axis: (x - y).mean(axis),
        vectorized=True,
        permutation_type="samples",
        n_resamples=np.inf,
    )
    assert paired.sign_flip(each) == pytest.approx(theirs.pvalue, rel=1e-12)


@given(each=differences, seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_the_exact_p_knows_neither_the_order_of_prompts_nor_which_side_is_a(
    each: Array, seed: int
) -> None:
    p = paired.sign_flip(each)
    assert paired.sign_flip(-each) == p
    assert paired.sign_flip(np.random.default_rng(seed).permutation(each)) == p
    assert paired.least_p(len(each)) <= p <= 1


def test_the_exact_p_of_as_many_prompts_as_it_takes_is_near_the_t_test() -> None:
    each = normal(3, paired.EXACT_BELOW - 1) + 0.3
    assert paired.sign_flip(each) == pytest.approx(paired.difference(each).p, abs=0.01)


def test_few_prompts_are_tested_exactly_and_many_by_t() -> None:
    each = normal(4, 40) + 0.3
    assert paired.paired_p(each[:29]) == paired.sign_flip(each[:29])
    assert paired.paired_p(each[:30]) == paired.difference(each[:30]).p


def test_the_least_exact_p_is_that_of_differences_with_one_sign() -> None:
    for prompts in (1, 2, 5, 10):
        assert paired.sign_flip(np.arange(1.0, prompts + 1)) == paired.least_p(prompts)


def swap_p(
    a: Array,
    b: Array,
    cluster: NDArray[np.int64],
    statistic: Callable[[Array], float],
    **options: int,
) -> float:
    """Return the p of a statistic of rows that is computed anew for every exchange."""

    def values(swapped: NDArray[np.bool_]) -> tuple[float, float]:
        rows = swapped[:, None]
        return statistic(np.where(rows, b, a)), statistic(np.where(rows, a, b))

    return paired.swap_p(values, cluster, **options)


@pytest.mark.parametrize("prompts", [12, 40])
def test_false_alarms_are_as_rare_as_they_should_be(prompts: int) -> None:
    rows = normal(5, 1500, prompts)
    alarms = np.mean([paired.paired_p(row) < ALPHA for row in rows])
    assert 0.035 <= alarms <= 0.065


def test_swapping_within_prompts_finds_for_means_what_flipping_signs_does() -> None:
    cluster = np.repeat(np.arange(10), 2)
    a, b = normal(9, 20, 1) + 0.5, normal(10, 20, 1)
    by_prompt = (a - b).reshape(10, 2).mean(1)
    p = swap_p(a, b, cluster, lambda rows: float(rows.mean()), draws=4000)
    assert p == pytest.approx(paired.sign_flip(by_prompt), abs=0.02)


def test_swapping_sees_a_change_that_no_mean_shows() -> None:
    cluster = np.repeat(np.arange(30), 3)

    def total_variance(rows: Array) -> float:
        return float(rows.var(0).sum())

    shared = normal(11, 90, 8)
    a, b = shared + 0.3 * normal(12, 90, 8), shared + 0.3 * normal(13, 90, 8)
    assert swap_p(a, 0.8 * b, cluster, total_variance, draws=199) == 1 / 200


def test_swapping_is_the_same_every_time_and_never_says_never() -> None:
    a, b, cluster = normal(14, 12, 2), normal(15, 12, 2), np.repeat(np.arange(6), 2)
    first = [swap_p(a, b, cluster, np.median, draws=50, seed=3) for _ in range(2)]
    assert first[0] == first[1]
    assert swap_p(a, a, cluster, np.median, draws=50) == 1.0
    assert swap_p(a + 99, a, cluster, np.mean, draws=9) >= 1 / 10


def test_swapping_raises_no_more_false_alarms_than_it_says() -> None:
    cluster = np.repeat(np.arange(12), 2)
    rows = normal(16, 300, 2, 24, 1)
    alarms = [
        swap_p(a, b, cluster, np.var, draws=39, seed=seed) <= 0.05
        for seed, (a, b) in enumerate(rows)
    ]
    assert np.mean(alarms) <= 0.08


def test_prompts_are_counted_by_who_is_ahead() -> None:
    a, b = np.array([3.0, 1.0, 2.0, 0.1 + 0.2]), np.array([1.0, 2.0, 2.0, 0.3])
    assert paired.tally(a, b) == Tally(wins=1, ties=2, losses=1)


def test_prompts_are_counted_in_every_group_they_are_of() -> None:
    a, b = np.array([3.0, 1.0, 2.0]), np.array([1.0, 2.0, 1.0])
    found = paired.tallies(a, b, [("tags", "hats"), ("tags",), ()])
    assert found == {"": Tally(2, 0, 1), "hats": Tally(1, 0, 0), "tags": Tally(1, 0, 1)}


def test_the_usual_margin_is_half_of_what_prompts_spread_by() -> None:
    # Variances 1 and 7: the pooled standard deviation is 2.
    a, b = np.array([0.0, 1.0, 2.0]), np.sqrt(7) * np.array([0.0, 1.0, 2.0])
    assert paired.usual_margin(a, b) == pytest.approx(1.0)


def test_an_exchange_whose_statistic_is_no_number_is_no_evidence() -> None:
    """A metric that has no value for exchanged images once gave the smallest p there is."""
    a, b = np.zeros((8, 1)), np.ones((8, 1))
    cluster = np.arange(8)
    sure = swap_p(a, b, cluster, lambda rows: float(rows.mean()), draws=199)
    assert sure < 0.05
    assert swap_p(a, b, cluster, lambda rows: float("nan"), draws=19) == 1.0

    def only_whole(rows: Array) -> float:
        return float(rows.mean()) if len(np.unique(rows)) == 1 else float("nan")

    assert swap_p(a, b, cluster, only_whole, draws=19) == 1.0
