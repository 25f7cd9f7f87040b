"""Paired statistics, against the reference library, brute force, hand arithmetic and dice."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.decisions import paired
from harness.decisions.paired import Part, Tally
from harness.decisions.replicates import spread
from harness.interfaces import Array

floats = st.floats(-100, 100)
differences = st.lists(floats, min_size=2, max_size=9).map(np.array)
few_steps = st.lists(st.integers(-3, 3), min_size=1, max_size=9).map(
    lambda values: np.array(values, np.float64)
)
chances = st.lists(st.floats(0, 1), min_size=1, max_size=12)


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


@pytest.mark.parametrize("prompts", [12, 40])
def test_false_alarms_are_as_rare_as_they_should_be(prompts: int) -> None:
    rows = normal(5, 1500, prompts)
    alarms = np.mean([paired.paired_p(row) < paired.ALPHA for row in rows])
    assert 0.035 <= alarms <= 0.065


@pytest.mark.parametrize("prompts", [12, 40])
def test_an_effect_of_the_size_that_is_promised_is_seen_four_times_in_five(prompts: int) -> None:
    effect = paired.detectable(1 / math.sqrt(prompts), prompts - 1)
    rows = normal(6, 1500, prompts) + effect
    seen = np.mean([paired.paired_p(row) < paired.ALPHA for row in rows])
    assert 0.76 <= seen <= 0.84


def test_holm_steps_down_as_it_does_on_paper() -> None:
    # 0.01 · 3; then 0.03 · 2; then 0.04 · 1, which may not fall below the one before.
    assert paired.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert paired.holm([0.5, 0.9]) == [1.0, 1.0]
    assert paired.holm([0.02]) == [0.02]
    assert paired.holm([]) == []


@given(p=chances)
def test_holm_keeps_the_order_and_lies_between_nothing_and_bonferroni(p: list[float]) -> None:
    adjusted = paired.holm(p)
    for one, before in zip(adjusted, p, strict=True):
        assert before <= one <= min(1.0, before * len(p))
    for (one, before), (other, then) in itertools.combinations(zip(adjusted, p, strict=True), 2):
        assert one <= other or before > then


def test_power_is_what_other_programs_say() -> None:
    # G*Power, for matched pairs: an effect of half a standard deviation takes 34 of them.
    assert paired.power(0.5, 1 / math.sqrt(34), 33) == pytest.approx(0.8077775, abs=1e-6)
    assert paired.prompts_needed(0.5, 1.0) == 34


def test_many_prompts_see_what_the_normal_distribution_says() -> None:
    z = stats.norm.isf(0.025) + stats.norm.isf(0.2)
    assert paired.detectable(0.1, 1e6) == pytest.approx(0.1 * z, rel=1e-4)
    assert paired.detectable(0.0, 9) == 0.0


@given(effect=st.floats(0.02, 20), sd=st.floats(0.1, 10))
@settings(max_examples=60, deadline=None)
def test_the_prompts_needed_are_the_fewest_that_see_the_effect(effect: float, sd: float) -> None:
    needed = paired.prompts_needed(effect, sd)
    assert needed is not None
    assert paired.detectable(sd / math.sqrt(needed), needed - 1) <= effect * (1 + 1e-9)
    if needed > 2:
        assert paired.detectable(sd / math.sqrt(needed - 1), needed - 2) > effect


def test_no_number_of_prompts_sees_nothing_or_outweighs_the_spread_of_trainings() -> None:
    assert paired.prompts_needed(0.0, 1.0) is None
    assert paired.prompts_needed(0.0, 0.0) is None
    assert paired.prompts_needed(0.1, 0.0) == 2
    runs = [paired.of_runs(np.array([0.1, 0.5, 0.9])), paired.of_runs(np.array([0.2, 0.5, 0.9]))]
    assert paired.prompts_needed(0.5, 1.0) == 34
    assert paired.prompts_needed(0.5, 1.0, runs) is None


def test_the_runs_of_two_sides_alone_are_the_test_of_welch() -> None:
    a, b = np.array([1.0, 1.4, 1.1]), np.array([0.2, 0.9, 0.8, 0.1])
    found = paired.estimate(float(a.mean() - b.mean()), [paired.of_runs(a), paired.of_runs(b)])
    theirs = stats.ttest_ind(a, b, equal_var=False)
    assert found.p == pytest.approx(theirs.pvalue, rel=1e-12)
    assert found.freedom == pytest.approx(theirs.df, rel=1e-12)


def test_prompts_and_runs_add_up_as_they_do_for_one_result() -> None:
    prompts, runs = normal(7, 20), np.array([0.1, 0.3, 0.7])
    value, reach = spread(runs, prompts)
    found = paired.estimate(value, [paired.of_prompts(prompts), paired.of_runs(runs)])
    assert found.high - found.value == pytest.approx(reach, rel=1e-12)


def test_a_known_spread_of_trainings_widens_the_interval_and_costs_no_freedom() -> None:
    each = normal(8, 25)
    runs = [paired.of_known_runs(0.2, runs=2), paired.of_known_runs(0.2, runs=1)]
    known = paired.estimate(0.0, [paired.of_prompts(each), *runs])
    assert known.error**2 == pytest.approx(each.var(ddof=1) / 25 + 0.04 / 2 + 0.04)
    assert known.freedom > 24


def test_a_part_of_no_size_changes_nothing() -> None:
    alone = paired.combined([Part(0.5, 4)])
    assert paired.combined([Part(0.5, 4), Part(0.0, 2)]) == pytest.approx(alone)
    assert paired.combined([Part(0.0, 4), Part(0.0, 2)]) == (0.0, 2)


def test_swapping_within_prompts_finds_for_means_what_flipping_signs_does() -> None:
    cluster = np.repeat(np.arange(10), 2)
    a, b = normal(9, 20, 1) + 0.5, normal(10, 20, 1)
    by_prompt = (a - b).reshape(10, 2).mean(1)
    p = paired.swap_p(a, b, cluster, lambda rows: float(rows.mean()), draws=4000)
    assert p == pytest.approx(paired.sign_flip(by_prompt), abs=0.02)


def test_swapping_sees_a_change_that_no_mean_shows() -> None:
    cluster = np.repeat(np.arange(30), 3)

    def total_variance(rows: Array) -> float:
        return float(rows.var(0).sum())

    shared = normal(11, 90, 8)
    a, b = shared + 0.3 * normal(12, 90, 8), shared + 0.3 * normal(13, 90, 8)
    assert paired.swap_p(a, 0.8 * b, cluster, total_variance, draws=199) == 1 / 200


def test_swapping_is_the_same_every_time_and_never_says_never() -> None:
    a, b, cluster = normal(14, 12, 2), normal(15, 12, 2), np.repeat(np.arange(6), 2)
    first = [paired.swap_p(a, b, cluster, np.median, draws=50, seed=3) for _ in range(2)]
    assert first[0] == first[1]
    assert paired.swap_p(a, a, cluster, np.median, draws=50) == 1.0
    assert paired.swap_p(a + 99, a, cluster, np.mean, draws=9) >= 1 / 10


def test_swapping_raises_no_more_false_alarms_than_it_says() -> None:
    cluster = np.repeat(np.arange(12), 2)
    rows = normal(16, 300, 2, 24, 1)
    alarms = [
        paired.swap_p(a, b, cluster, np.var, draws=39, seed=seed) <= 0.05
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
