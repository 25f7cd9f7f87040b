"""How values with their intervals are written."""

from __future__ import annotations

import pytest

from harness.report.numbers import ranged


@pytest.mark.parametrize(
    ("ends", "text"),
    [
        ((2.04, -1.1, 4.4), "2.0 [-1.1, 4.4]"),
        ((-0.00047, -0.00117, 0.00019), "-0.00047 [-0.00117, 0.00019]"),
        ((0.0, 0.0, 0.0), "0 [0, 0]"),
        ((9.6e-7, 3.1e-7, 1.4e-6), "1e-06 [3e-07, 1e-06]"),
        ((1.0, 1.0, 1.0), "1 [1, 1]"),
    ],
)
def test_a_value_is_as_sharp_as_its_interval(ends: tuple[float, float, float], text: str) -> None:
    assert ranged(*ends) == text
