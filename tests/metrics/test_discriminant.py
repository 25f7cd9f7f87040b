"""Linear discriminants and calibrated odds, against densities and lines that are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from harness.interfaces import Array
from harness.metrics.discriminant import calibrated, discriminant


def classes(seed: int, width: int = 4) -> list[Array]:
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(width, width))
    return [rng.normal(size=(count, width)) @ mixing + at for at, count in enumerate((30, 20, 12))]


def test_log_odds_are_those_of_gaussian_densities_that_share_one_spread() -> None:
    groups, asked = classes(1), np.random.default_rng(2).normal(size=(9, 4))
    spread = np.mean([np.cov(rows.T) for rows in groups], axis=0)
    kept = 0.7 * spread + 0.3 * np.diag(np.diag(spread))
    density = [stats.multivariate_normal(rows.mean(0), kept).pdf(asked) for rows in groups]
    expected = np.log(density[0]) - np.log(np.mean(density[1:], axis=0))
    assert discriminant(groups, shrinkage=0.3)(asked) == pytest.approx(expected)


def test_units_of_the_features_make_no_difference() -> None:
    groups, units = classes(3), np.array([1e-6, 1.0, 1e5, 3.0])
    scaled = discriminant([rows * units for rows in groups])
    assert scaled(groups[1] * units) == pytest.approx(discriminant(groups)(groups[1]))


def test_features_that_say_nothing_are_left_out_and_may_outnumber_the_rows() -> None:
    groups = classes(4)
    wider = [np.concatenate([rows, np.ones((len(rows), 3))], 1) for rows in groups]
    assert discriminant(wider)(wider[0]) == pytest.approx(discriminant(groups)(groups[0]))
    few = [rows[:3] for rows in classes(5, width=40)]
    assert np.isfinite(discriminant(few)(few[0])).all()
    assert discriminant([np.zeros((4, 2))] * 2)(np.zeros((3, 2))) == pytest.approx(np.zeros(3))


def test_calibrated_odds_come_true() -> None:
    rng = np.random.default_rng(6)
    given = rng.normal(size=40_000) * 5 + 2
    is_first = rng.random(len(given)) < special.expit(0.4 * given - 1)
    weights = np.full(len(given), 1 / len(given))
    line = calibrated(given, is_first, weights)
    assert line(np.array([0.0, 1.0])) == pytest.approx([-1, -0.6], abs=0.1)


def test_odds_that_tell_all_apart_or_nothing_stay_finite() -> None:
    is_first, weights = np.arange(20) < 10, np.full(20, 1 / 20)
    apart = calibrated(np.where(is_first, 9.0, -9.0) + np.arange(20) / 100, is_first, weights)
    ends = special.expit(apart(np.array([-9.0, 9.0])))
    assert ends[0] < 0.1
    assert ends[1] > 0.9
    nothing = calibrated(np.zeros(20), is_first, weights)
    assert special.expit(nothing(np.zeros(1))) == pytest.approx(0.5)
    turned = calibrated(np.where(is_first, -1.0, 1.0), is_first, weights)
    assert np.ptp(turned(np.array([-9.0, 9.0]))) == 0, "what points the wrong way says nothing"
