"""The pictures of the documentation: each has its shot, both themes, and a size to load quickly."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from running import ROOT

pytest.importorskip("playwright.sync_api")
from tools.pictures import camera
from tools.pictures.shots import SHOTS, Shot

PICTURES = ROOT / "docs" / "pictures"


def test_every_shot_is_committed_in_both_themes() -> None:
    assert len(SHOTS) >= 9
    names = [f"{name}{ending}.png" for name in SHOTS for ending in ("", "-dark")]
    names += ["compare.webp", "compare-dark.webp"]
    assert [name for name in names if not (PICTURES / name).is_file()] == []


def test_all_pictures_together_stay_small() -> None:
    sizes = {file.name: file.stat().st_size for file in PICTURES.iterdir()}
    assert sum(sizes.values()) <= 4_000_000
    assert all(size <= 1_500_000 for size in sizes.values()), sizes


@pytest.mark.parametrize("ending", ["", "-dark"])
def test_the_comparison_moves(ending: str) -> None:
    with Image.open(PICTURES / f"compare{ending}.webp") as film:
        assert getattr(film, "n_frames", 1) == camera.FRAMES


def test_a_tall_part_is_cut_at_its_top_and_a_short_one_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    Image.new("RGB", (8, 100), "red").save(file)
    assert camera.cut(file.read_bytes(), Shot("")).size == (8, 100)
    assert camera.cut(file.read_bytes(), Shot("", cut=40)).size == (8, 50)
    assert camera.cut(file.read_bytes(), Shot("", cut=400)).size == (8, 100)


def test_a_picture_keeps_its_colours_in_fewer_bytes(tmp_path: Path) -> None:
    picture = Image.effect_mandelbrot((200, 200), (-2, -1.5, 1, 1.5), 50).convert("RGB")
    picture.save(tmp_path / "plain.png")
    camera.save_png(picture, tmp_path / "small.png")
    with Image.open(tmp_path / "small.png") as kept:
        seen = kept.convert("RGB").getpixel((100, 100))
    assert seen == picture.getpixel((100, 100))
    sizes = [(tmp_path / name).stat().st_size for name in ("small.png", "plain.png")]
    assert sizes[0] < 0.7 * sizes[1]
