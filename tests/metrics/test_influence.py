"""The influence of a picture: by hand, and how far its interval reaches."""

from __future__ import annotations

import numpy as np
import pytest

from harness.metrics.influence import contributions, influences, typical


def test_what_points_the_same_way_as_the_question_helps() -> None:
    vectors = np.array([[[1.0, 2.0]], [[-1.0, 0.0]], [[0.0, 0.0]]])
    assert contributions(vectors, np.array([3.0, 1.0]), 0.5).tolist() == [[2.5], [-1.5], [0.0]]


def test_the_influence_is_the_mean_and_only_noises_of_one_timestep_are_compared() -> None:
    parts = np.array([[1.0, 3.0, 11.0, 13.0]])  # two timesteps, two noises each
    value, reach = influences(parts, timesteps=2)
    assert value.tolist() == [7.0]
    error = np.sqrt((2.0 + 2.0) / 2 / 4)  # the variance within a timestep is 2
    assert reach[0] == pytest.approx(4.302653 * error, rel=1e-6)


def test_the_interval_covers_the_mean_over_all_noises() -> None:
    rng = np.random.default_rng(0)
    levels = np.array([0.0, 4.0, -2.0, 1.0])
    parts = np.repeat(levels, 2) + rng.normal(size=(4000, 8))
    value, reach = influences(parts, timesteps=4)
    assert 0.93 < np.mean(np.abs(value - levels.mean()) < reach) < 0.97


def test_one_noise_a_timestep_gives_an_interval_that_is_too_wide_rather_than_too_narrow() -> None:
    rng = np.random.default_rng(0)
    levels = np.array([0.0, 1.0, 2.0, 3.0])
    value, reach = influences(levels + rng.normal(size=(4000, 4)), timesteps=4)
    assert np.mean(np.abs(value - levels.mean()) < reach) > 0.94


def test_a_single_point_says_nothing_of_noise() -> None:
    value, reach = influences(np.array([[2.0], [-1.0]]), timesteps=1)
    assert value.tolist() == [2.0, -1.0]
    assert np.isinf(reach).all()


def test_the_unit_is_a_typical_picture_and_never_zero() -> None:
    assert typical(np.array([1.0, -3.0])) == 2.0
    assert typical(np.zeros(3)) == 1.0
