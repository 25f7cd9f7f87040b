"""The Fréchet distance without each prompt, from one decomposition, against taking it anew."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.interfaces import Array
from harness.metrics.frechet import frechet, frechet_without


def draw(n: int, d: int, seed: int, shift: float = 0.0) -> Array:
    return np.random.default_rng(seed).normal(size=(n, d)) + shift


def anew(x: Array, y: Array, cluster: NDArray[np.int64]) -> Array:
    return np.array([frechet(x[cluster != number], y) for number in range(cluster.max() + 1)])


@pytest.mark.parametrize(
    ("n", "m", "d"),
    [(24, 200, 64), (60, 30, 128), (100, 300, 16), (66, 300, 64), (64, 65, 64), (12, 9, 1)],
)
@pytest.mark.parametrize("per_prompt", [1, 4])
def test_it_is_the_distance_of_the_other_rows(n: int, m: int, d: int, per_prompt: int) -> None:
    x, y, cluster = draw(n, d, 1), draw(m, d, 2, shift=0.3), np.arange(n) // per_prompt
    assert frechet_without(x, y, cluster) == pytest.approx(anew(x, y, cluster), rel=1e-7)


@given(n=st.integers(8, 40), m=st.integers(3, 40), d=st.integers(1, 40), seed=st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_whatever_the_sizes_and_the_order_of_prompts(n: int, m: int, d: int, seed: int) -> None:
    x, y = draw(n, d, seed), draw(m, d, seed + 1)
    cluster = np.random.default_rng(seed).permutation(np.arange(n) % 4)
    assert frechet_without(x, y, cluster) == pytest.approx(anew(x, y, cluster), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("kinds", [2, 3, 10])
def test_images_that_repeat_are_left_out_too(kinds: int) -> None:
    x, y, cluster = draw(kinds, 64, 3).repeat(6, 0), draw(100, 64, 4), np.arange(6 * kinds) % 5
    assert frechet_without(x, y, cluster) == pytest.approx(anew(x, y, cluster), rel=1e-6)


def test_a_prompt_may_hold_nearly_all_images() -> None:
    x, y, cluster = draw(50, 20, 5), draw(80, 20, 6), np.repeat([0, 1, 2], [46, 2, 2])
    assert frechet_without(x, y, cluster) == pytest.approx(anew(x, y, cluster), rel=1e-7)
