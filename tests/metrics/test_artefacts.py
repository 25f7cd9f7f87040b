"""Which pictures are flagged: none of 200 clean drawings, and each that is broken on purpose."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from harness.extractors.pixels import pixels
from harness.extractors.specs import Pixels
from harness.interfaces import Evidence, FeatureSet, Measurement
from harness.metrics.artefacts import artefacts, flags
from harness.metrics.specs.quality import Artefacts
from harness.pocket.world import row

SPEC = Artefacts(use="artefacts")


def seen(pictures: list[Image.Image]) -> FeatureSet:
    ids = [str(number) for number in range(len(pictures))]
    rows = pixels(Pixels(), "cpu").see(pictures, ids)["images"].astype(float)
    return FeatureSet(rows, ids, ids, [0] * len(ids))


def of(pictures: list[Image.Image], spec: Artefacts = SPEC) -> Measurement:
    return artefacts(spec, Evidence(seen(pictures)))


def clean(count: int, start: int = 0) -> list[Image.Image]:
    return [row("faces", start + number).image() for number in range(count)]


def gradient(levels: int, size: int = 256) -> Image.Image:
    """Return a sky of so many levels from top to bottom."""
    height = np.linspace(0, 1, size)[:, None, None].repeat(size, 1)
    shade = np.round(height * (levels - 1)) / (levels - 1)
    pixels = np.array([30, 60, 120]) + shade * np.array([200, 180, 130])
    return Image.fromarray(pixels.round().astype(np.uint8))


def grain(low: int, high: int) -> Image.Image:
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(low, high, (64, 64, 3), dtype=np.uint8))


def contrasted(picture: Image.Image, times: float) -> Image.Image:
    pixels = 128 + (np.asarray(picture, float) - 128) * times
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def test_no_clean_drawing_is_flagged() -> None:
    found = of(clean(200))
    assert found.value == 0
    assert found.notes == ()


BROKEN = [
    (Image.new("RGB", (64, 64)), "black"),
    (grain(0, 9), "black"),
    (Image.new("RGB", (64, 64), "white"), "blank"),
    (grain(118, 122), "blank"),
    (gradient(12), "banded"),
    (gradient(12).rotate(90), "banded"),
    (contrasted(grain(0, 255), 50), "clipped"),
]


@pytest.mark.parametrize(("picture", "flag"), BROKEN)
def test_a_picture_broken_on_purpose_bears_its_flag(picture: Image.Image, flag: str) -> None:
    assert flags(SPEC, seen([picture]))[flag].all()


@pytest.mark.parametrize("picture", [gradient(256), grain(30, 220), contrasted(clean(1)[0], 0.5)])
def test_smooth_skies_and_film_grain_and_low_contrast_are_no_fault(picture: Image.Image) -> None:
    assert not any(rows.any() for rows in flags(SPEC, seen([picture])).values())


def test_the_value_is_the_share_of_flagged_images_and_the_notes_count_each_flag() -> None:
    found = of([*clean(6), gradient(12), Image.new("RGB", (64, 64))])
    assert found.value == pytest.approx(0.25)
    assert found.samples is not None
    assert found.samples.tolist() == [0, 0, 0, 0, 0, 0, 1, 1]
    assert found.notes == ("1 black", "1 blank", "1 banded")


def test_thresholds_are_options() -> None:
    dim = [contrasted(each, 0.5) for each in clean(8)]
    assert of(dim).value == 0
    assert of(dim, Artefacts(use="artefacts", black=1.0)).notes == ("8 black",)
    lenient = Artefacts(use="artefacts", black=0.0, blank=1.0)
    assert of([Image.new("RGB", (64, 64)), *clean(3)], lenient).value == 0
