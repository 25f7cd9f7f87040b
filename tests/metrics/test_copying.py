"""Copies among the images: found though they are few, and not seen where there are none."""

from __future__ import annotations

import numpy as np
import pytest

from harness.interfaces import Array, Evidence, FeatureSet, Measurement, Pair
from harness.metrics import copying
from harness.metrics.copying import FLAG, authenticity, closest, memorization, nearest
from harness.metrics.specs.copying import Authenticity, Extraction, Memorization

FEATURES = {"use": "classifier", "model": "pocket/inception"}
SPEC = Memorization.model_validate({"use": "memorization", "features": FEATURES})
AUTHENTIC = Authenticity.model_validate({"use": "authenticity", "features": FEATURES})
ORIGINALS, HELD_OUT, IMAGES, SEEDS = 1221, 400, 96, 3


def draw(n: int, seed: int, d: int = 24) -> Array:
    """Return rows around a few kinds of picture, away from zero as pooled features are."""
    kinds = np.random.default_rng(99).normal(size=(12, d))
    rng = np.random.default_rng(seed)
    return kinds[rng.integers(12, size=n)] + 0.7 * rng.normal(size=(n, d)) + 0.5


def set_of(images: Array, seeds: int = SEEDS) -> FeatureSet:
    ids = [f"p{row // seeds}" for row in range(len(images))]
    return FeatureSet(images, ids, ids, [row % seeds for row in range(len(images))])


def judged(images: Array, originals: Array, held_out: Array) -> Measurement:
    sides = {"originals": set_of(originals, 1), "reference": set_of(held_out, 1)}
    return memorization(SPEC, Evidence(set_of(images), sides))


def with_copies(blur: float = 0.0) -> tuple[Measurement, list[tuple[int, int]]]:
    """Return what is said of 12 copies among 96 images, every eighth, and where they are."""
    originals = draw(ORIGINALS, 1)
    images = draw(IMAGES, 2)
    planted = [(row, 50 * row + 7) for row in range(0, IMAGES, 8)][:12]
    noise = np.random.default_rng(3).normal(size=(12, images.shape[1]))
    for (row, other), away in zip(planted, noise, strict=True):
        images[row] = originals[other % ORIGINALS] + blur * away
    return judged(images, originals, draw(HELD_OUT, 4)), [
        (row, other % ORIGINALS) for row, other in planted
    ]


@pytest.mark.parametrize("blur", [0.0, 0.05], ids=["exact", "near"])
def test_a_few_copies_among_many_images_are_found_and_flagged(blur: float) -> None:
    measured, planted = with_copies(blur)
    assert measured.samples is not None
    assert all(measured.samples[row] == 1 for row, _ in planted)
    assert measured.value == pytest.approx(measured.samples.mean())
    assert 12 <= measured.samples.sum() <= 15
    assert measured.flag == FLAG
    assert sorted((pair.row, pair.other) for pair in measured.pairs) == planted


def test_fresh_pictures_are_hardly_ever_flagged() -> None:
    found = [
        judged(draw(IMAGES, seed), draw(ORIGINALS, seed + 1000), draw(HELD_OUT, seed + 2000))
        for seed in range(200)
    ]
    assert sum(each.flag is not None for each in found) <= 10
    rates = np.array([each.value for each in found], np.float64)
    assert rates.mean() < 0.02, "one in a hundred is above the likeness of held-out pictures"


def test_the_smallest_reference_flags_fresh_pictures_as_rarely() -> None:
    few = copying.LEAST
    found = [
        judged(draw(IMAGES, seed), draw(300, seed + 1000), draw(few, seed + 2000))
        for seed in range(200)
    ]
    assert sum(each.flag is not None for each in found) <= 10


def test_copies_below_the_tolerated_rate_are_shown_and_not_flagged() -> None:
    originals = draw(ORIGINALS, 1)
    images = draw(IMAGES, 2)
    images[5] = originals[3]
    measured = judged(images, originals, draw(HELD_OUT, 4))
    assert measured.flag is None
    assert measured.pairs[0] == Pair(5, 3, pytest.approx(1.0))
    assert "images are above a cosine of" in measured.notes[0]


def test_no_image_that_is_all_originals_escapes() -> None:
    originals = draw(ORIGINALS, 1)
    measured = judged(originals[:IMAGES], originals, draw(HELD_OUT, 4))
    assert (measured.value, measured.high, measured.flag) == (1.0, 1.0, FLAG)
    assert measured.low == pytest.approx(0.025 ** (SEEDS / IMAGES)), (
        "Clopper and Pearson, by prompt"
    )


def test_extraction_judges_images_of_captions_by_the_same_rule() -> None:
    spec = Extraction.model_validate({"use": "extraction", "features": FEATURES})
    originals, images = draw(ORIGINALS, 1), draw(IMAGES, 2)
    images[::4] = originals[::50][: len(images[::4])]
    sides = {"originals": set_of(originals, 1), "reference": set_of(draw(HELD_OUT, 4), 1)}
    evidence = Evidence(set_of(images), sides)
    assert (SPEC.judges, spec.judges) == ("sample", "captions")
    one, two = memorization(spec, evidence), memorization(SPEC, evidence)
    assert (one.value, one.flag, one.pairs) == (two.value, FLAG, two.pairs)


def test_pairs_are_the_nearest_worst_first() -> None:
    measured, _ = with_copies(0.05)
    likeness = [pair.likeness for pair in measured.pairs]
    assert likeness == sorted(likeness, reverse=True)


def test_a_reference_that_holds_originals_gives_a_reason_and_no_value() -> None:
    originals = draw(300, 1)
    measured = judged(draw(IMAGES, 2), originals, originals[:100])
    assert measured.value is None
    assert measured.flag is None
    assert measured.reason is not None
    assert "the reference holds originals" in measured.reason


@pytest.mark.parametrize(("originals", "held_out"), [(0, 100), (100, 49)])
def test_too_few_pictures_give_a_reason(originals: int, held_out: int) -> None:
    measured = judged(draw(IMAGES, 2), draw(originals, 1), draw(held_out, 4))
    assert measured.value is None
    assert measured.reason is not None
    assert f"has {originals} and {held_out}" in measured.reason


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = draw(17, 1), draw(23, 2)
    whole = nearest(x, y), closest(x, y), closest(y, y, itself=True)
    monkeypatch.setattr(copying, "HELD", 100)
    parts = nearest(x, y), closest(x, y), closest(y, y, itself=True)
    for one, two in zip(whole, parts, strict=True):
        assert (one[0] == two[0]).all()
        assert one[1] == pytest.approx(two[1], rel=1e-9)


def test_authenticity_is_what_its_definition_says_pair_by_pair() -> None:
    originals, images = draw(40, 1, 6), draw(30, 2, 6)
    expected = []
    for image in images:
        distances = np.linalg.norm(originals - image, axis=1)
        at = int(distances.argmin())
        to_others = np.linalg.norm(np.delete(originals, at, 0) - originals[at], axis=1)
        expected.append(distances[at] > to_others.min())
    sides = {"originals": set_of(originals, 1)}
    measured = authenticity(AUTHENTIC, Evidence(set_of(images), sides))
    assert measured.value == pytest.approx(100 * np.mean(expected))


def test_copies_are_not_authentic() -> None:
    originals = draw(60, 1)
    sides = {"originals": set_of(originals, 1)}
    assert authenticity(AUTHENTIC, Evidence(set_of(originals[:12]), sides)).value == 0
    lone = Evidence(set_of(originals[:12]), {"originals": set_of(originals[:1], 1)})
    assert authenticity(AUTHENTIC, lone).value is None
