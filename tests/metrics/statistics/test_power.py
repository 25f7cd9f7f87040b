"""What a test detects, against other programs and dice."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from harness.interfaces import Array
from harness.metrics.statistics import paired, power
from harness.metrics.statistics.intervals import ALPHA
from harness.metrics.statistics.variance import of_mean


def normal(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("prompts", [12, 40])
def test_an_effect_of_the_size_that_is_promised_is_seen_four_times_in_five(prompts: int) -> None:
    effect = power.detectable(1 / math.sqrt(prompts), prompts - 1)
    rows = normal(6, 1500, prompts) + effect
    seen = np.mean([paired.paired_p(row) < ALPHA for row in rows])
    assert 0.76 <= seen <= 0.84


def test_power_is_what_other_programs_say() -> None:
    # G*Power, for matched pairs: an effect of half a standard deviation takes 34 of them.
    assert power.power(0.5, 1 / math.sqrt(34), 33) == pytest.approx(0.8077775, abs=1e-6)
    assert power.prompts_needed(0.5, 1.0) == 34


def test_many_prompts_see_what_the_normal_distribution_says() -> None:
    z = stats.norm.isf(0.025) + stats.norm.isf(0.2)
    assert power.detectable(0.1, 1e6) == pytest.approx(0.1 * z, rel=1e-4)
    assert power.detectable(0.0, 9) == 0.0


@given(ratio=st.floats(0.003, 200), sd=st.floats(0.1, 10))
@settings(max_examples=60, deadline=None)
def test_the_prompts_needed_are_the_fewest_that_see_the_effect(ratio: float, sd: float) -> None:
    effect = ratio * sd  # smaller ones want more than a million prompts
    needed = power.prompts_needed(effect, sd)
    assert needed is not None
    assert power.detectable(sd / math.sqrt(needed), needed - 1) <= effect * (1 + 1e-9)
    if needed > 2:
        assert power.detectable(sd / math.sqrt(needed - 1), needed - 2) > effect


def test_no_number_of_prompts_sees_nothing_or_outweighs_the_spread_of_trainings() -> None:
    assert power.prompts_needed(0.0, 1.0) is None
    assert power.prompts_needed(0.0, 0.0) is None
    assert power.prompts_needed(0.002, 1.0) is None, "more than a million"
    assert power.prompts_needed(0.1, 0.0) == 2
    runs = [of_mean(np.array([0.1, 0.5, 0.9])), of_mean(np.array([0.2, 0.5, 0.9]))]
    assert power.prompts_needed(0.5, 1.0) == 34
    assert power.prompts_needed(0.5, 1.0, runs) is None


@pytest.mark.parametrize("freedom", [1, 2, 11, 31.5, 95, 1e6])
def test_power_and_its_smallest_effect_have_the_digits_of_scipy_stats(freedom: float) -> None:
    def slow(away: float) -> float:
        return float(stats.nct.sf(stats.t.isf(ALPHA / 2, freedom), freedom, min(away, power.SURE)))

    assert [power.power(away, 1.0, freedom) for away in (0.1, 1, 3, 60)] == [
        slow(away) for away in (0.1, 1, 3, 60)
    ]
    least = optimize.brentq(lambda away: slow(away) - power.POWER, 0, power.SURE)
    assert power.detectable(1.0, freedom) == least
