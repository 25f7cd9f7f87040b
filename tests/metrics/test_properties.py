"""What holds of diversity, likeness and shift whatever the pictures are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness.interfaces import Array, Evidence, FeatureSet
from harness.metrics.copying import memorization
from harness.metrics.likeness import likeness, unit
from harness.metrics.shift import base_shift
from harness.metrics.specs.copying import Memorization
from harness.metrics.specs.diversity import LpipsWithin, VendiWithin
from harness.metrics.specs.probes import BaseShift
from harness.metrics.specs.style import DinoI
from harness.metrics.vendi import vendi_score, vendi_within
from harness.metrics.within_prompt import lpips_within, pairwise

FEATURES = {"use": "thumbnail"}
DINO = DinoI.model_validate({"use": "dino-i", "features": FEATURES})
SHIFT = BaseShift.model_validate({"use": "base-shift", "features": FEATURES})
WITHIN = VendiWithin.model_validate({"use": "vendi-within", "features": FEATURES})
COPIES = Memorization.model_validate({"use": "memorization", "features": FEATURES})
SEEDS = 3

sets = st.integers(2, 6).flatmap(
    lambda prompts: arrays(np.float64, (prompts * SEEDS, 4), elements=st.floats(0.1, 10))
)


def set_of(images: Array) -> FeatureSet:
    ids = [f"p{row // SEEDS}" for row in range(len(images))]
    return FeatureSet(images, ids, ids, [row % SEEDS for row in range(len(images))])


@given(images=sets)
@settings(max_examples=60, deadline=None)
def test_a_vendi_score_lies_between_one_and_the_number_of_images(images: Array) -> None:
    assert 1 - 1e-9 <= vendi_score(unit(images)) <= len(images) + 1e-9
    within = vendi_within(WITHIN, Evidence(set_of(images)))
    assert within.value is not None
    assert 1 - 1e-9 <= within.value <= SEEDS + 1e-9


@given(images=sets, turn=st.randoms())
@settings(max_examples=40, deadline=None)
def test_the_order_of_images_does_not_matter(images: Array, turn: object) -> None:
    rows = list(range(len(images)))
    turn.shuffle(rows)  # type: ignore[attr-defined]
    own, reference = set_of(images), set_of(images[::2] + 1)
    turned = own.take(np.array(rows))
    sides = {"reference": reference, "base": reference}
    before, after = (likeness(DINO, Evidence(each, sides)) for each in (own, turned))
    assert after.value == pytest.approx(before.value)
    assert after.high == pytest.approx(before.high, abs=1e-9)
    assert vendi_score(unit(turned.images)) == pytest.approx(vendi_score(unit(images)))
    moved, still = (base_shift(SHIFT, Evidence(each, sides)) for each in (turned, own))
    assert moved.value == pytest.approx(still.value, abs=1e-12)


@given(images=sets)
@settings(max_examples=40, deadline=None)
def test_a_set_beside_itself_is_not_shifted(images: Array) -> None:
    own = set_of(images)
    found = base_shift(SHIFT, Evidence(own, {"base": own}))
    assert found.value == pytest.approx(0, abs=1e-9)
    assert found.high == pytest.approx(0, abs=1e-9)


@given(images=sets)
@settings(max_examples=40, deadline=None)
def test_lpips_within_is_the_mean_over_pairs(images: Array) -> None:
    one = images[:SEEDS]
    pairs = [np.square(one[i] - one[j]).sum() for i in range(SEEDS) for j in range(i)]
    assert pairwise(one) == pytest.approx(np.mean(pairs), abs=1e-9)
    found = lpips_within(LpipsWithin(use="lpips-within"), Evidence(set_of(images)))
    prompts = [pairwise(images[at : at + SEEDS]) for at in range(0, len(images), SEEDS)]
    assert found.value == pytest.approx(np.mean(prompts))


def test_a_hundred_copies_among_1221_originals_are_found() -> None:
    """MiFID of torchmetrics 1.9 gives these no penalty: it averages over the originals."""
    rng = np.random.default_rng(0)
    originals, held_out = rng.normal(size=(1221, 64)), rng.normal(size=(400, 64))
    copies = set_of(originals[rng.permutation(1221)[:99]])
    fresh = set_of(rng.normal(size=(99, 64)))
    sides = {"originals": set_of(originals), "reference": set_of(held_out)}
    found, none = (memorization(COPIES, Evidence(each, sides)) for each in (copies, fresh))
    assert found.value == 1
    assert found.flag is not None
    assert none.flag is None
    assert none.value is not None
    assert none.value < 0.05
