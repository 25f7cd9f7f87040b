"""Images beside the base's own: paired by prompt and seed, not by row."""

from __future__ import annotations

import numpy as np
import pytest

from harness.interfaces import Array, Evidence, FeatureSet
from harness.metrics.shift import base_shift, leakage
from harness.metrics.specs.probes import BaseShift, Leakage

FEATURES = {"use": "classifier", "model": "pocket/inception"}
SHIFT = BaseShift.model_validate({"use": "base-shift", "features": FEATURES})
LEAKAGE = Leakage.model_validate({"use": "leakage", "features": FEATURES})


def set_of(images: Array, first: int = 0) -> FeatureSet:
    ids = [f"p{first + row // 2}" for row in range(len(images))]
    return FeatureSet(images, ids, ids, [row % 2 for row in range(len(images))])


def draw(n: int, seed: int) -> Array:
    return np.random.default_rng(seed).normal(size=(n, 4))


def cosine(a: Array, b: Array) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_an_adapter_that_does_nothing_shifts_nothing() -> None:
    own = set_of(draw(8, 1))
    assert base_shift(SHIFT, Evidence(own, {"base": own})).value == pytest.approx(0, abs=1e-12)


def test_partners_are_found_by_prompt_and_seed_whatever_their_order() -> None:
    own, base = set_of(draw(8, 1)), set_of(draw(8, 2))
    turned = base.take(np.random.default_rng(3).permutation(8))
    measured = base_shift(SHIFT, Evidence(own, {"base": turned}))
    expected = [1 - cosine(a, b) for a, b in zip(own.images, base.images, strict=True)]
    assert measured.value == pytest.approx(np.mean(expected))
    assert measured.samples == pytest.approx(np.array(expected))


def test_an_image_without_a_partner_has_no_value_and_is_named() -> None:
    own, base = set_of(draw(8, 1)), set_of(draw(8, 2)).take(np.arange(1, 8))
    measured = base_shift(SHIFT, Evidence(own, {"base": base}))
    assert measured.n == 7
    assert measured.samples is not None
    assert np.isnan(measured.samples).tolist() == [True] + [False] * 7
    assert measured.notes


def test_no_partner_at_all_gives_a_reason() -> None:
    own, base = set_of(draw(8, 1)), set_of(draw(8, 2), first=100)
    measured = base_shift(SHIFT, Evidence(own, {"base": base}))
    assert measured.value is None
    assert measured.reason is not None


def test_leakage_is_of_the_bare_prompts_alone() -> None:
    bare, base = set_of(draw(6, 1), first=50), set_of(draw(6, 2), first=50)
    found = leakage(LEAKAGE, Evidence(bare, {"bare-base": base}))
    expected = [1 - cosine(a, b) for a, b in zip(bare.images, base.images, strict=True)]
    assert LEAKAGE.judges == "bare"
    assert found.value == pytest.approx(np.mean(expected))
    assert found.samples == pytest.approx(np.array(expected))
    assert found.prompt_ids == ("p50", "p51", "p52")
    assert found.prompts is not None
    assert len(found.prompts) == 3
    assert found.n == 6


def test_an_effect_ranks_up_and_a_leak_ranks_down() -> None:
    assert SHIFT.higher_is_better
    assert not LEAKAGE.higher_is_better
