"""The area under the ROC curve against all pairs, and the coverage of its interval."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.metrics.statistics.ranks import auc

VALUES = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=12)


@settings(max_examples=60)
@given(VALUES, VALUES)
def test_it_is_the_share_of_pairs_in_order(high: list[float], low: list[float]) -> None:
    pairs = [(a > b) + (a == b) / 2 for a in high for b in low]
    value, start, end = auc(np.array(high), np.array(low))
    assert value == pytest.approx(np.mean(pairs))
    assert 0 <= start <= value + 1e-12
    assert value - 1e-12 <= end <= 1


def test_its_interval_holds_the_truth_19_times_in_20() -> None:
    rng = np.random.default_rng(1)
    held = [
        low <= 0.7602 <= high  # the truth is Φ(1 / √2)
        for _, low, high in (auc(rng.normal(1, 1, 40), rng.normal(0, 1, 60)) for _ in range(1000))
    ]
    assert 0.93 <= np.mean(held) <= 0.995


def test_all_in_order_is_no_certainty() -> None:
    value, low, high = auc(np.arange(10.0) + 100, np.arange(30.0))
    assert (value, high) == (1, 1)
    # 10 of 10: 0.025 ** (1 / 10)
    assert low == pytest.approx(0.6915, abs=1e-4)


def test_values_of_one_name_count_as_one() -> None:
    rng = np.random.default_rng(2)
    high, low = rng.normal(0.5, 1, 30), rng.normal(0, 1, 30)
    names = [f"p{at}" for at in range(30)]
    alone = auc(high, low)
    twice = auc(np.repeat(high, 2), np.repeat(low, 2), *[[n for n in names for _ in "ab"]] * 2)
    assert twice == pytest.approx(alone, abs=1e-9)
    assert np.diff(auc(np.repeat(high, 2), np.repeat(low, 2))[1:]) < np.diff(alone[1:])
