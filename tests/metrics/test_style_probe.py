"""The style probe: cross-fitted, calibrated, and silent where it cannot tell the artist."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.interfaces import Array, Evidence, FeatureSet, Measurement
from harness.metrics.discriminant import discriminant
from harness.metrics.specs.style import StyleProbe
from harness.metrics.style_probe import FOLDS, SPOILED, by_kind, cross_fitted, folds, style_probe

SPEC = StyleProbe(use="style-probe")
WIDTH = 12
STYLES = {"artist": 0.0, "base": 2.2, "decoys-1": -2.2}


def drawn(style: str, count: int, seed: int) -> Array:
    """Return features of pictures: a few tell the style, the others what is shown."""
    rows = np.random.default_rng([seed, len(style)]).normal(size=(count, WIDTH))
    if style in SPOILED:
        rows[:, 5] += 15
    else:
        rows[:, :2] += STYLES[style]
    return rows


def set_of(images: Array, prefix: str, kind: str = "") -> FeatureSet:
    ids = [f"{prefix}{row}" for row in range(len(images))]
    return FeatureSet(images, [kind] * len(images), ids, [0] * len(images))


def joined(*sets: FeatureSet) -> FeatureSet:
    def all_of(field: str) -> list[Any]:
        return [value for each in sets for value in getattr(each, field)]

    images = np.concatenate([each.images for each in sets])
    return FeatureSet(images, all_of("prompts"), all_of("prompt_ids"), all_of("seeds"))


def decoys(*styles: str, count: int = 60) -> FeatureSet:
    parts = [(style, drawn(style, count, 7)) for style in styles]
    parts += [(damage, drawn(damage, 20, 8)) for damage in SPOILED]
    return joined(*(set_of(images, f"{style}-", style) for style, images in parts))


def probe(own: Array, others: FeatureSet, reference: Array | None = None) -> Measurement:
    real = drawn("artist", 80, 1) if reference is None else reference
    sides = {"reference": set_of(real, "row"), "decoys": others}
    return style_probe(SPEC, Evidence(set_of(own, "own"), sides))  # type: ignore[arg-type]


def value_of(measured: Measurement) -> float:
    assert measured.value is not None, measured.reason
    return measured.value


def test_the_artists_pictures_come_before_other_styles_and_spoiled_ones_last() -> None:
    others = decoys("base", "decoys-1")
    own = probe(drawn("artist", 80, 2), others)
    assert value_of(own) > 0.7
    assert own.low is not None
    for style, most in (("base", 0.4), ("decoys-1", 0.4), *((damage, 0.01) for damage in SPOILED)):
        other = probe(drawn(style, 80, 3), others)
        assert value_of(other) < most
        assert other.high is not None
        assert other.high < own.low
    assert own.notes[0].startswith("real pictures come to 0.")
    assert "hardest: " in own.notes[0]


def test_the_value_follows_the_share_of_right_pictures_in_a_straight_line() -> None:
    right, wrong, others = drawn("artist", 80, 2), drawn("base", 80, 3), decoys("base")
    ends = [value_of(probe(each, others)) for each in (wrong, right)]
    for share in (0.25, 0.5, 0.75):
        take = np.arange(80) % 4 < 4 * share
        mixed = probe(np.where(take[:, None], right, wrong), others)
        each = [probe(right, others).samples, probe(wrong, others).samples]
        assert each[0] is not None
        assert each[1] is not None
        assert value_of(mixed) == pytest.approx(np.where(take, *each).mean())
        assert abs(value_of(mixed) - (1 - share) * ends[0] - share * ends[1]) < 0.05


def test_no_picture_is_judged_by_a_probe_that_saw_it_or_its_prompt() -> None:
    reference, others = set_of(drawn("artist", 40, 1), "row"), decoys("base", count=40)
    kinds = by_kind(others)
    held = cross_fitted(reference, kinds, kinds["base"])
    assert held.own == pytest.approx(held.decoys["base"]), "the base beside itself"
    (fold,) = folds(["row0"])
    rows = [reference, *kinds.values()]
    kept = [each.images[np.array(folds(each.prompt_ids)) != fold] for each in rows]
    assert held.real[0] == pytest.approx(discriminant(kept)(reference.images[:1])[0])


def test_a_style_that_is_the_bases_own_has_no_value() -> None:
    refused = 0
    for seed in range(10):
        base = set_of(drawn("artist", 60, 100 + seed), "base-", "base")
        spoiled = [set_of(drawn(each, 20, 8), f"{each}-", each) for each in SPOILED]
        measured = probe(drawn("artist", 40, 2), joined(base, *spoiled))
        if measured.value is None:
            assert measured.reason is not None
            assert "unavailable for this artist" in measured.reason
            assert "from base: AUC" in measured.reason
            refused += 1
    assert refused == 10


@pytest.mark.parametrize(
    ("others", "count", "reason"),
    [
        (decoys(), 80, "needs pictures in another style"),
        (decoys("base"), 19, "needs 20 reference pictures, has 19"),
        (decoys("base", count=9), 80, "needs 10 decoys of base, has 9"),
    ],
)
def test_too_few_pictures_are_told(others: FeatureSet, count: int, reason: str) -> None:
    measured = probe(drawn("artist", 40, 2), others, drawn("artist", count, 1))
    assert measured.value is None
    assert measured.reason is not None
    assert reason in measured.reason


def test_pictures_of_one_prompt_cannot_be_parted() -> None:
    real = drawn("artist", 40, 1)
    alike = FeatureSet(real, [""] * 40, ["row"] * 40, list(range(40)))
    sides = {"reference": alike, "decoys": decoys("base")}
    measured = style_probe(SPEC, Evidence(set_of(real, "own"), sides))  # type: ignore[arg-type]
    assert (
        measured.reason == f"the reference pictures are of too few prompts to be parted in {FOLDS}"
    )


@pytest.mark.parametrize("scale", [0.0, 1e-200, 1e12])
def test_features_of_any_size_give_a_value_or_a_reason(scale: float) -> None:
    others = decoys("base")
    others = FeatureSet(scale * others.images, others.prompts, others.prompt_ids, others.seeds)
    measured = probe(scale * drawn("artist", 40, 2), others, scale * drawn("artist", 80, 1))
    assert (measured.value is None) == (measured.reason is not None)
    if measured.value is not None:
        assert measured.low is not None
        assert measured.high is not None
        assert 0 <= measured.low <= measured.value <= measured.high <= 1
