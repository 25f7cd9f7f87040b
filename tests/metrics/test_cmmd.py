"""CMMD against brute force, also without each prompt."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from pydantic import ValidationError

from harness.extractors.specs import OpenClip
from harness.interfaces import Array, Evidence, FeatureSet
from harness.metrics.cmmd import cmmd
from harness.metrics.specs.fidelity import Cmmd

SPEC = Cmmd(use="cmmd", features=OpenClip(model="pocket/clip"), pairs="all")


def draw(n: int, d: int, seed: int, shift: float = 0.0) -> Array:
    """Return rows of many lengths."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, d)) + shift) * rng.uniform(0.1, 9, size=(n, 1))


def set_of(images: Array, per_prompt: int = 2) -> FeatureSet:
    ids = [f"p{row // per_prompt}" for row in range(len(images))]
    return FeatureSet(images, ids, ids, [row % per_prompt for row in range(len(images))])


def evidence(own: Array, reference: Array) -> Evidence:
    return Evidence(set_of(own), {"reference": set_of(reference, 1)})


def unit(rows: Array) -> Array:
    return np.array([row / np.sqrt((row * row).sum()) for row in rows])


def by_brute_force(x: Array, y: Array) -> float:
    """Return 1000 × the mean over pairs of different rows, one pair at a time."""

    def alike(a: Array, b: Array) -> float:
        return float(np.exp(-((a - b) ** 2).sum() / (2 * 10**2)))

    def among(rows: Array) -> float:
        pairs = [(i, j) for i, j in product(range(len(rows)), repeat=2) if i != j]
        return float(np.mean([alike(rows[i], rows[j]) for i, j in pairs]))

    x, y = unit(x), unit(y)
    across = np.mean([alike(a, b) for a, b in product(x, y)])
    return 1000 * (among(x) + among(y) - 2 * float(across))


@pytest.mark.parametrize(("n", "m", "d"), [(4, 2, 2), (6, 9, 3), (12, 7, 20)])
def test_it_is_the_mean_over_all_pairs_of_unit_vectors(n: int, m: int, d: int) -> None:
    x, y = draw(n, d, 1), draw(m, d, 2, shift=0.5)
    assert cmmd(SPEC, evidence(x, y)).value == pytest.approx(by_brute_force(x, y), abs=1e-9)


def test_leaving_out_a_prompt_is_the_distance_of_the_others() -> None:
    x, y = draw(10, 4, 3), draw(9, 4, 4, shift=0.5)
    left = [by_brute_force(np.delete(x, [2 * p, 2 * p + 1], 0), y) for p in range(5)]
    measured = cmmd(SPEC, evidence(x, y))
    expected = 5 * by_brute_force(x, y) - 4 * np.array(left)
    assert measured.prompts == pytest.approx(expected, abs=1e-8)


def test_the_length_of_a_row_does_not_matter() -> None:
    x, y = draw(12, 5, 5), draw(14, 5, 6, shift=0.3)
    once, twice = cmmd(SPEC, evidence(x, y)), cmmd(SPEC, evidence(unit(x), 3 * y))
    assert once.value == pytest.approx(twice.value, rel=1e-9)


def test_it_is_unbiased_where_both_sets_come_from_one_source() -> None:
    found = [cmmd(SPEC, evidence(draw(10, 8, s), draw(15, 8, s + 5000))).value for s in range(500)]
    values = np.array(found, np.float64)
    assert abs(values.mean()) < 3 * values.std(ddof=1) / np.sqrt(len(values))
    assert (values < 0).any(), "an unbiased estimate of zero is at times below it"


def test_at_this_width_it_is_ten_times_the_squared_distance_of_centroids() -> None:
    x, y = draw(400, 16, 7), draw(400, 16, 8, shift=0.8)
    gap = unit(x).mean(0) - unit(y).mean(0)
    assert cmmd(SPEC, evidence(x, y)).value == pytest.approx(10 * gap @ gap, rel=0.02)


def test_its_extractor_has_to_be_named() -> None:
    with pytest.raises(ValidationError, match="features"):
        Cmmd.model_validate({"use": "cmmd"})
