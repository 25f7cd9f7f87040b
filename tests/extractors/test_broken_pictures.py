"""What the network that ships sees of broken pictures: a stranger's style, smeared and sound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import pytest
import torch
from inks import inks
from PIL import Image

from harness.extractors.lite0 import pooled
from harness.extractors.specs import Lite0
from harness.interfaces import Evidence, FeatureSet, Measurement, Side
from harness.metrics.broken import FLAG, broken
from harness.metrics.specs.broken import Broken
from harness.pages.stages import DamageSpec, Treatment
from harness.pipeline.stages.treat import spoil
from harness.pocket.world import row

SIDE = 96
REFERENCE, BASE, OWN = 32, 24, 24
SPEC = Broken(use="broken", features=Lite0(side=SIDE))
KINDS: tuple[Treatment, ...] = tuple(kind for kind in DamageSpec().kinds if kind != "black")


@cache
def network() -> object:
    return pooled(Lite0(side=SIDE), "cpu")


def seen(pictures: Sequence[Image.Image], prompts: Sequence[str], name: str) -> FeatureSet:
    with torch.inference_mode():
        rows = network().see(pictures, prompts)["images"]  # type: ignore[attr-defined]
    ids = [f"{name}{at % (len(rows) // len({*prompts}) or 1)}" for at in range(len(rows))]
    return FeatureSet(np.asarray(rows, np.float64), [*prompts], ids, [0] * len(rows))


def own(pictures: Sequence[Image.Image]) -> FeatureSet:
    return seen(pictures, ["own"] * len(pictures), "p")


def faces(kind: str, first: int, count: int) -> list[Image.Image]:
    return [row(kind, first + at).image() for at in range(count)]


@pytest.fixture(scope="module")
def sides() -> Mapping[Side, FeatureSet]:
    reference = [*inks(0, REFERENCE)]
    spoiled = [spoil(each, kind, str(at)) for kind in KINDS for at, each in enumerate(reference)]
    names = [kind for kind in KINDS for _ in reference]
    return {
        "reference": seen(reference, ["real"] * REFERENCE, "r"),
        "base": seen(faces("faces", 9_000, BASE), ["base"] * BASE, "b"),
        "damaged": seen(spoiled, names, "r"),
    }


def judged(own: FeatureSet, sides: Mapping[Side, FeatureSet], unseen: str = "") -> Measurement:
    damaged = sides["damaged"]
    kept = np.array([at for at, kind in enumerate(damaged.prompts) if kind != unseen])
    return broken(SPEC, Evidence(own, {**sides, "damaged": damaged.take(kept)}))


@pytest.mark.parametrize("unseen", ["", "smears"])
def test_smears_of_pictures_never_seen_are_flagged(
    sides: Mapping[Side, FeatureSet], unseen: str
) -> None:
    smears = own([spoil(each, "smears", f"s{at}") for at, each in enumerate(inks(500, OWN))])
    found = judged(smears, sides, unseen)
    assert found.value is not None
    assert found.value > 0.5
    assert found.flag == FLAG


def test_sound_pictures_are_not_flagged_in_the_style_or_in_another(
    sides: Mapping[Side, FeatureSet],
) -> None:
    for pictures in ([*inks(700, OWN)], faces("faces", 9_900, OWN), faces("ninja", 900, OWN)):
        found = judged(own(pictures), sides)
        assert found.flag is None
        assert found.value is not None
        assert found.value < 0.1
