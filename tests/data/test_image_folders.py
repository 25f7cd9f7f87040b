"""Images in a folder: their order, their numbers, and how small most of them are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from harness.data.image_folders import evenly, numbered, usual_side
from harness.data.specs import Folder
from harness.errors import UsageError
from harness.pages.stages import SuppliedSpec


def paint(file: Path, size: tuple[int, int] = (40, 40), colour: str = "red") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(file)


def test_images_are_numbered_as_people_count(tmp_path: Path) -> None:
    for name in ("10.png", "2.png", "b/1.jpg", "a.webp", ".hidden.png", "note.txt"):
        paint(tmp_path / name) if name != "note.txt" else (tmp_path / name).touch()
    found = numbered(tmp_path)
    assert [each.file for each in found] == ["2.png", "10.png", "a.webp", "b/1.jpg"]
    assert [each.prompt_id for each in found] == [f"picture-0000{number}" for number in range(1, 5)]
    assert {each.reason for each in found} == {None}


def test_a_name_that_is_no_text_is_told_and_not_read(tmp_path: Path) -> None:
    paint(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / os.fsdecode(b"\xff.png"))
    (entry,) = numbered(tmp_path)
    assert entry.file == "\\udcff.png"
    assert entry.reason == "has a name that is not UTF-8"


def test_both_sides_of_a_question_take_the_same_files(tmp_path: Path) -> None:
    for number, ending in enumerate(sorted(Image.registered_extensions())):
        paint(tmp_path / "a.png")
        (tmp_path / "a.png").rename(tmp_path / f"{number}{ending}")
    real = Folder(use="folder", path=str(tmp_path))
    names = {each.file for each in numbered(tmp_path)}
    assert names == set(real.ids())
    assert {Path(name).suffix for name in names} >= {".bmp", ".gif", ".tiff", ".avif", ".png"}


def test_a_link_out_of_the_folder_is_told_and_not_read(tmp_path: Path) -> None:
    paint(tmp_path / "elsewhere/a.png")
    paint(tmp_path / "own/b.png")
    (tmp_path / "own/c.png").symlink_to(tmp_path / "elsewhere/a.png")
    (tmp_path / "own/d.png").symlink_to("b.png")
    assert {each.file: each.reason for each in numbered(tmp_path / "own")} == {
        "b.png": None,
        "c.png": "leads out of the folder (copy the picture itself there)",
        "d.png": None,
    }


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "note.txt").touch()
    with pytest.raises(UsageError, match="has no images"):
        numbered(tmp_path)


def test_fewer_images_are_spread_over_the_folder_and_numbered_anew(tmp_path: Path) -> None:
    for number in range(10):
        paint(tmp_path / f"{number}.png")
    spec = SuppliedSpec(folder=str(tmp_path), entries=numbered(tmp_path))
    few = evenly(spec, 4).entries
    assert [each.file for each in few] == ["0.png", "2.png", "5.png", "7.png"]
    assert [each.prompt_id for each in few] == [each.prompt_id for each in spec.entries[:4]]
    assert evenly(spec, 10) is spec


def test_the_side_is_read_without_what_cannot_be_read(tmp_path: Path) -> None:
    assert usual_side(tmp_path) is None
    paint(tmp_path / "wide.png", (300, 90))
    paint(tmp_path / "deep/high.png", (70, 400))
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert usual_side(tmp_path) == 70


@pytest.mark.parametrize(("small", "side"), [(1, 80), (2, 80), (3, 8)])
def test_a_thumbnail_among_pictures_does_not_decide_how_all_are_seen(
    small: int, side: int, tmp_path: Path
) -> None:
    for number in range(20):
        paint(tmp_path / f"{number}.png", (8, 9) if number < small else (90, 80))
    assert usual_side(tmp_path) == side
