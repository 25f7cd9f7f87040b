"""Pixel statistics on drawings that are clean and on pictures broken on purpose."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from harness.extractors.pixels import banding, pixels, quantile, statistics
from harness.extractors.specs import Pixels
from harness.interfaces import Evidence, FeatureSet
from harness.metrics.artefacts import artefacts, flags
from harness.metrics.specs.quality import Artefacts
from harness.pocket.world import row

SPEC = Artefacts(use="artefacts")
RNG = np.random.default_rng(0)


def seen(pictures: list[Image.Image]) -> FeatureSet:
    found = pixels(Pixels(), "cpu").see(pictures, [])["images"].astype(np.float64)
    ids = [f"p{number // 2}" for number in range(len(pictures))]
    return FeatureSet(found, ids, ids, [number % 2 for number in range(len(pictures))])


def clean(count: int) -> list[Image.Image]:
    """Return drawings of both sets that no bake has seen."""
    kinds = ["ninja" if number % 4 == 3 else "faces" for number in range(count)]
    return [row(kind, 600_000 + number).image() for number, kind in enumerate(kinds)]


def sky(levels: int | None, size: int = 256) -> Image.Image:
    """Return a gradient from blue to pale, with few levels or with all."""
    down = np.linspace(0, 1, size)[:, None, None]
    colours = np.array([30, 60, 160]) + down * np.array([200, 140, 95]) + np.zeros((1, size, 1))
    if levels is not None:
        colours = np.round(colours / 255 * (levels - 1)) / (levels - 1) * 255
    return Image.fromarray(colours.round().astype(np.uint8))


def noisy(colour: tuple[int, int, int], spread: float = 2) -> Image.Image:
    values = RNG.normal(colour, spread, (64, 64, 3)).clip(0, 255)
    return Image.fromarray(values.astype(np.uint8))


def test_no_clean_drawing_is_flagged() -> None:
    measured = artefacts(SPEC, Evidence(seen(clean(200))))
    assert (measured.value, measured.n, measured.notes) == (0.0, 200, ())


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (noisy((3, 2, 4)), {"black", "blank"}),
        (noisy((200, 180, 40)), {"blank"}),
        (Image.new("RGB", (64, 64), "white"), {"blank"}),
        (sky(12), {"banded"}),
        (sky(32), {"banded"}),
        (sky(12).rotate(90), {"banded"}),
        (sky(None), set()),
        (sky(None, 1024), set()),
        (Image.fromarray(RNG.choice([0, 255], (64, 64, 3)).astype(np.uint8)), {"clipped"}),
        (Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)), set()),
    ],
    ids=[
        "black",
        "one colour",
        "white",
        "12 levels",
        "32 levels",
        "12 levels across",
        "all levels",
        "all levels, large",
        "only ends of the range",
        "noise",
    ],
)
def test_what_is_broken_on_purpose_is_flagged_for_what_it_is(
    picture: Image.Image, expected: set[str]
) -> None:
    found = flags(SPEC, seen([picture]))
    assert {name for name, rows in found.items() if rows[0]} == expected


def test_contrast_far_too_strong_clips_drawings() -> None:
    hard = [
        Image.fromarray(((np.asarray(each, np.float64) - 128) * 8 + 128).clip(0, 255).astype("u1"))
        for each in clean(40)
    ]
    assert flags(SPEC, seen(hard))["clipped"].mean() > 0.5


def test_the_share_counts_an_image_once_and_the_notes_each_flag() -> None:
    pictures = [*clean(6), noisy((3, 2, 4)), sky(12)]
    measured = artefacts(SPEC, Evidence(seen(pictures)))
    assert measured.value == pytest.approx(2 / 8)
    assert measured.notes == ("1 black", "1 blank", "1 banded")
    assert measured.samples is not None
    assert measured.samples.tolist() == [0, 0, 0, 0, 0, 0, 1, 1]
    assert not SPEC.higher_is_better


def test_flat_colours_with_lines_between_them_are_no_bands() -> None:
    stripes = np.repeat(np.array([20, 90, 40, 200, 120, 180, 30, 60], np.int16), 8)
    assert banding(np.tile(stripes, (64, 1))) == 0


def test_stairs_are_told_from_a_slope() -> None:
    stairs = np.repeat(np.arange(0, 160, 10, dtype=np.int16), 4)
    assert banding(np.tile(stairs, (8, 1))) == pytest.approx(14 * 4 / 64)
    assert banding(np.tile(np.arange(64, dtype=np.int16), (8, 1))) == 0


@pytest.mark.parametrize(
    "broken", [lambda each: each.resize((1, 1)), lambda each: each.resize((3, 2))]
)
def test_even_the_smallest_picture_has_statistics(
    broken: Callable[[Image.Image], Image.Image],
) -> None:
    assert np.isfinite(statistics(broken(clean(1)[0]))).all()


@given(values=st.lists(st.integers(0, 255), min_size=1, max_size=50), share=st.floats(0.01, 1))
@settings(max_examples=80, deadline=None)
def test_a_quantile_by_counting_is_the_sorted_one(values: list[int], share: float) -> None:
    expected = np.quantile(values, share, method="inverted_cdf")
    assert quantile(np.array(values, np.int16), share) == expected
