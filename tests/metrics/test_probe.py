"""The loss probe's figures against brute force and hand arithmetic."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.metrics.probe import (
    ALARM,
    LEAST,
    Probed,
    advantages,
    auc,
    auc_interval,
    gain,
    member_test,
    permutation_p,
)

FEW = st.lists(st.integers(0, 6).map(float), min_size=2, max_size=6).map(np.array)


def random(seed: int, count: int, better: float = 0.0) -> Probed:
    """Losses of `count` pictures at 4 timesteps; the adapter's are lower by a share."""
    rng = np.random.default_rng(seed)
    base = rng.uniform(0.5, 1.5, (count, 4))
    return Probed(base, base * (1 - better) * rng.uniform(0.9, 1.1, base.shape))


@given(FEW, FEW)
def test_an_auc_is_the_share_of_pairs_that_are_told_apart(one: np.ndarray, two: np.ndarray) -> None:
    wins = [(a > b) + 0.5 * (a == b) for a in one for b in two]
    assert auc(one, two) == pytest.approx(float(np.mean(wins)))


@given(FEW, FEW)
@settings(max_examples=20)
def test_a_permutation_p_comes_near_that_of_every_permutation(
    one: np.ndarray, two: np.ndarray
) -> None:
    both, seen = np.concatenate([one, two]), auc(one, two)
    as_high = [
        auc(both[list(rows)], np.delete(both, list(rows))) >= seen - 1e-12
        for rows in combinations(range(len(both)), len(one))
    ]
    assert permutation_p(one, two) == pytest.approx(float(np.mean(as_high)), abs=0.025)


def test_a_gain_is_the_share_by_which_the_losses_fell() -> None:
    probed = Probed(np.array([[1.0, 3.0], [2.0, 2.0]]), np.array([[0.5, 1.5], [2.0, 2.0]]))
    value, low, high = gain(probed) or (0.0, 0.0, 0.0)
    assert value == pytest.approx(1 - 3 / 4)
    assert low < value < high


def test_a_gain_below_nothing_says_that_the_base_is_better() -> None:
    _, low, high = gain(random(1, 30, better=-0.2)) or (0.0, 0.0, 0.0)
    assert low < high < 0


def test_the_interval_of_a_gain_holds_the_truth_about_nineteen_times_in_twenty() -> None:
    held = [
        ends[1] <= 0.25 <= ends[2]
        for seed in range(300)
        if (ends := gain(random(seed, 40, better=0.25))) is not None
    ]
    assert len(held) == 300
    assert 0.91 <= np.mean(held) <= 0.985


def test_a_loss_that_is_not_finite_gives_no_figure() -> None:
    probed = random(1, 20)
    probed.adapter[3, 2] = math.inf
    assert gain(probed) is None
    assert member_test(probed, random(2, 20)) is None
    assert member_test(random(2, 20), probed) is None


def test_a_member_test_needs_pictures_on_both_sides() -> None:
    assert member_test(random(1, LEAST - 1), random(2, 50)) is None
    assert member_test(random(1, LEAST), random(2, LEAST)) is not None


def test_pictures_that_gained_more_are_told_apart() -> None:
    found = member_test(random(1, 30, better=0.5), random(2, 30, better=0.1))
    assert found is not None
    assert found.auc == 1.0
    assert found.p == pytest.approx(1e-4)
    assert found.significant()
    assert found.significant(looks=50)
    assert 0.9 < found.low < 1.0 == found.high


def test_pictures_that_gained_alike_raise_few_alarms() -> None:
    tests = [
        member_test(random(seed, 24, 0.3), random(seed + 1000, 32, 0.3)) for seed in range(100)
    ]
    found = [each for each in tests if each is not None]
    assert len(found) == 100
    assert np.mean([each.p <= 0.05 for each in found]) <= 0.09
    assert np.mean([each.significant() for each in found]) <= 3 * ALARM
    assert np.mean([each.low <= 0.5 <= each.high for each in found]) >= 0.92


def test_the_interval_of_an_auc_is_delongs() -> None:
    one, two = np.array([3.0, 5.0, 4.0, 9.0]), np.array([1.0, 4.5, 2.0, 3.5])
    by_one = [np.mean([a > b for b in two]) for a in one]
    by_two = [np.mean([a > b for a in one]) for b in two]
    error = math.sqrt(np.var(by_one, ddof=1) / 4 + np.var(by_two, ddof=1) / 4)
    value = auc(one, two)
    reach = 1.96 * error / (value * (1 - value))
    ends = [1 / (1 + math.exp(-(math.log(value / (1 - value)) + s * reach))) for s in (-1, 1)]
    assert auc_interval(one, two) == pytest.approx(tuple(ends))


def test_what_an_adapter_gained_does_not_depend_on_how_hard_a_picture_is() -> None:
    probed = random(5, 10, better=0.3)
    harder = Probed(probed.base * 7, probed.adapter * 7)
    assert advantages(harder) == pytest.approx(advantages(probed))
    assert np.isfinite(advantages(Probed(np.zeros((2, 1)), np.ones((2, 1))))).all()
