"""A zero by Brent's method: the digits of scipy's."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from scipy import optimize

from harness.metrics.statistics.roots import root

FUNCTIONS: list[tuple[Callable[[float], float], float, float]] = [
    (math.cos, 0, 3),
    (lambda x: x**3 - 2, -1, 5),
    (lambda x: math.exp(x) - 20, -5, 30),
    (lambda x: math.tanh(x - 0.3), -9, 8),
    (lambda x: x - 1, 1, 3),
    (lambda x: x - 3, 1, 3),
    (lambda x: math.copysign(1, x - 0.7), 0, 2),
]


@pytest.mark.parametrize("at", range(len(FUNCTIONS)))
def test_a_root_has_the_digits_of_scipys(at: int) -> None:
    function, low, high = FUNCTIONS[at]
    assert root(function, low, high) == optimize.brentq(function, low, high)


def test_a_function_of_one_sign_has_none() -> None:
    with pytest.raises(ValueError, match="one sign at both ends"):
        root(lambda x: x * x + 1, -1, 1)
