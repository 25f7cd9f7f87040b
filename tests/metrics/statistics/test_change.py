"""One change of a level, by hand arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from harness.metrics.statistics.change import surest_change


def test_three_values_are_too_few_for_a_change() -> None:
    assert surest_change(np.array([0.0, 9.0, 9.0]), np.full(3, 0.1)) == (None, 1.0)


def test_the_place_is_where_two_means_differ_most_for_their_errors() -> None:
    place, p = surest_change(np.array([1.0, 1.0, 3.0, 3.0, 3.0]), np.full(5, 1.0))
    assert place == 2
    assert p == pytest.approx(2 * stats.norm.sf(2 / np.sqrt(1 / 2 + 1 / 3)))


def test_a_value_that_is_hardly_known_hardly_counts() -> None:
    values, errors = np.array([0.0, 0.0, 9.0, 0.0, 0.0]), np.array([1.0, 1.0, 1e6, 1.0, 1.0])
    _, p = surest_change(values, errors)
    assert p == pytest.approx(1.0, abs=1e-4)
