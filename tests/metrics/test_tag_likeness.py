"""Tag likeness: mean tag probabilities of two sets, beside hand arithmetic and drawn faces."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.interfaces import Array, Evidence, FeatureSet, Measurement
from harness.metrics.specs.style import TagLikeness
from harness.metrics.tag_likeness import tag_likeness

SPEC = TagLikeness.model_validate(
    {"use": "tag-likeness", "features": {"use": "tagger", "model": "pocket/tagger"}}
)


def set_of(rows: Array, seeds: int = 1) -> FeatureSet:
    ids = [f"p{row // seeds}" for row in range(len(rows))]
    return FeatureSet(rows, ids, ids, [row % seeds for row in range(len(rows))])


def measured(own: Array, reference: Array) -> Measurement:
    return tag_likeness(SPEC, Evidence(set_of(own), {"reference": set_of(reference)}))


def draw(n: int, seed: int, chances: Array) -> Array:
    return (np.random.default_rng(seed).random((n, len(chances))) < chances).astype(np.float64)


def test_it_is_the_cosine_of_what_both_sets_show_on_the_whole() -> None:
    own, reference = np.array([[1, 1], [1, 0], [1, 1], [1, 0.0]]), np.array([[1, 1], [0, 1.0]])
    # Means (1, 1/2) and (1/2, 1), which agree by 1. Of the six pairs of own rows one agrees by 2
    # and five by 1: 7/6; the one pair of the reference agrees by 1.
    found = measured(own, reference)
    assert found.value == pytest.approx(1 / (7 / 6) ** 0.5)
    assert found.prompts is not None
    assert len(found.prompts) == 4
    twice = set_of(np.repeat(own, 2, axis=0), seeds=2)
    again = tag_likeness(SPEC, Evidence(twice, {"reference": set_of(reference)}))
    assert again.value == pytest.approx(found.value), "pairs of one prompt do not count"


@given(st.integers(0, 50))
def test_no_order_of_pictures_moves_it(seed: int) -> None:
    chances = 0.2 + 0.8 * np.random.default_rng(seed).random(12)
    own, reference = draw(20, seed, chances), draw(30, seed + 1, chances)
    found = measured(own, reference)
    assert found.value is not None
    assert 0 <= found.value <= 1.3
    assert measured(own[::-1], reference[::-1]).value == pytest.approx(found.value)


def test_other_things_and_a_few_pictures_over_and_over_are_less_like() -> None:
    often, rare = np.array([0.9, 0.5, 0.5, 0.1, 0.1]), np.array([0.1, 0.1, 0.5, 0.5, 0.9])
    reference, same = draw(200, 0, often), measured(draw(96, 1, often), draw(200, 0, often))
    other = measured(draw(96, 2, rare), reference)
    few = measured(np.tile(draw(2, 3, often), (48, 1)), reference)
    assert same.low is not None
    assert other.high is not None
    assert other.high < same.low
    assert few.value is not None
    assert same.value is not None
    assert few.value < same.value


def test_the_interval_holds_what_a_large_set_says() -> None:
    chances = np.random.default_rng(5).random(30)
    reference = draw(4000, 6, chances)
    truth = measured(draw(4000, 7, chances * 0.8 + 0.1), reference).value
    held = 0
    for seed in range(60):
        found = measured(draw(60, 100 + seed, chances * 0.8 + 0.1), reference)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= truth <= found.high  # type: ignore[operator]
    assert 52 <= held <= 60


def test_few_pictures_give_on_average_what_many_give() -> None:
    chances = np.random.default_rng(8).random(40)
    reference = draw(4000, 9, chances)
    values = [measured(draw(12, seed, chances), reference).value or 0 for seed in range(60)]
    assert np.mean(values) == pytest.approx(1, abs=0.01)


def test_what_cannot_be_said_has_a_reason() -> None:
    assert measured(np.ones((2, 3)), np.ones((4, 3))).reason is not None
    unlike = np.eye(4)
    for own, reference in ((0 * unlike, unlike + 1), (unlike, unlike + 1), (unlike + 1, unlike)):
        assert "no tag is seen in two pictures" in str(measured(own, reference).reason)
