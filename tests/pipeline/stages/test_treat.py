"""Real pictures with known damage: what each damage keeps, and what it takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from harness.interfaces import StageContext
from harness.pages.stages import Treatment, TreatSpec
from harness.pipeline.stages.files import Entry, open_picture, read_index, save_png, write_index
from harness.pipeline.stages.treat import GRID, treat


def pictures(folder: Path, colours: list[int], count: int = 8, words: str = "words") -> Path:
    rng = np.random.default_rng(colours[0])
    entries = []
    for number in range(count):
        pixels = rng.integers(0, 60, (50, 66, 3)) + np.array(colours)
        save_png(Image.fromarray(pixels.astype(np.uint8)), folder / f"images/{number}.png")
        entries.append(Entry(f"row-{number}", 0, f"{words} {number}", f"images/{number}.png"))
    write_index(folder, entries)
    return folder


def treated(folder: Path, spec: TreatSpec, **inputs: Path) -> list[NDArray[np.uint8]]:
    folder.mkdir()
    treat(spec, StageContext(folder, inputs))
    return [np.asarray(open_picture(folder / str(each.file))) for each in read_index(folder)]


@pytest.mark.parametrize("damage", ["patches", "smears", "noise"])
def test_a_damage_is_the_same_each_time_and_another_for_every_picture(
    damage: Treatment, tmp_path: Path
) -> None:
    images = pictures(tmp_path / "real", [9, 90, 180])
    spec = TreatSpec(treatment=damage)
    one, two = (treated(tmp_path / name, spec, images=images) for name in ("one", "two"))
    plain = treated(tmp_path / "plain", TreatSpec(), images=images)
    assert len(one) == 8
    for a, b, before in zip(one, two, plain, strict=True):
        assert np.array_equal(a, b)
        assert a.shape == before.shape
        assert not np.array_equal(a, before)


def test_patches_keep_the_colours_and_lose_the_places(tmp_path: Path) -> None:
    ramp = np.arange(64 * 64 * 3).reshape(64, 64, 3) % 251
    save_png(Image.fromarray(ramp.astype(np.uint8)), tmp_path / "real/images/0.png")
    write_index(tmp_path / "real", [Entry("row", 0, "words", "images/0.png")])
    (cut,) = treated(tmp_path / "cut", TreatSpec(treatment="patches"), images=tmp_path / "real")
    assert np.array_equal(np.sort(cut, axis=None), np.sort(ramp, axis=None))
    side = 64 // GRID
    parts = {
        ramp[row : row + side, column : column + side].astype(np.uint8).tobytes()
        for row in range(0, 64, side)
        for column in range(0, 64, side)
    }
    assert cut[:side, :side].tobytes() in parts


def test_smears_are_soft(tmp_path: Path) -> None:
    images = pictures(tmp_path / "real", [9, 90, 180])
    plain = treated(tmp_path / "plain", TreatSpec(), images=images)
    smears = treated(tmp_path / "smears", TreatSpec(treatment="smears"), images=images)

    def edges(pixels: NDArray[np.uint8]) -> float:
        return float(np.abs(np.diff(pixels.astype(float), axis=1)).mean())

    for smear, before in zip(smears, plain, strict=True):
        assert edges(smear) < edges(before) / 10


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (0.25, 2), (0.5, 4), (0.75, 6), (1, 8)])
def test_a_mixture_holds_the_share_that_it_names_and_keeps_the_rows(
    share: float, expected: int, tmp_path: Path
) -> None:
    images = pictures(tmp_path / "real", [150, 9, 9])
    others = pictures(tmp_path / "others", [9, 9, 150], count=3, words="other")
    spec = TreatSpec(treatment="mixed", share=share)
    mixed = treated(tmp_path / "mixed", spec, images=images, others=others)
    assert sum(bool(each[..., 2].mean() > 100) for each in mixed) == expected
    entries = read_index(tmp_path / "mixed")
    assert [each.id for each in entries] == [f"row-{n}" for n in range(8)]
    for entry, pixels in zip(entries, mixed, strict=True):
        is_other = pixels[..., 2].mean() > 100
        assert entry.text.startswith("other" if is_other else "words"), "each has its own words"
