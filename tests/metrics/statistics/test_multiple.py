"""Several tests at once, by hand arithmetic and between its bounds."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.metrics.statistics import multiple

chances = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def test_holm_steps_down_as_it_does_on_paper() -> None:
    # 0.01 · 3; then 0.03 · 2; then 0.04 · 1, which may not fall below the one before.
    assert multiple.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert multiple.holm([0.5, 0.9]) == [1.0, 1.0]
    assert multiple.holm([0.02]) == [0.02]
    assert multiple.holm([]) == []


@given(p=chances)
def test_holm_keeps_the_order_and_lies_between_nothing_and_bonferroni(p: list[float]) -> None:
    adjusted = multiple.holm(p)
    for one, before in zip(adjusted, p, strict=True):
        assert before <= one <= min(1.0, before * len(p))
    for (one, before), (other, then) in itertools.combinations(zip(adjusted, p, strict=True), 2):
        assert one <= other or before > then
