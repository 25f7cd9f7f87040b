"""Albums: small pictures that travel beside a result, named by what they show."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.fingerprint import digest_file
from harness.pipeline.results import album
from harness.pipeline.stages.files import Entry, save_png, write_index


def folder(root: Path, entries: int, size: tuple[int, int] = (640, 320)) -> Path:
    """Write a finished folder of images, the last of which failed."""
    drawn = []
    for number in range(entries):
        pixels = np.random.default_rng(number).integers(0, 255, (*size[::-1], 3), dtype=np.uint8)
        save_png(Image.fromarray(pixels), root / f"images/{number}.png")
        drawn.append(Entry(f"p{number}", 1, f"number {number}", f"images/{number}.png"))
    write_index(root, [*drawn, Entry("lost", 1, "lost", None, "out of memory")])
    files = {
        f"images/{number}.png": digest_file(root / f"images/{number}.png")
        for number in range(entries)
    }
    (root / "manifest.json").write_text(json.dumps({"files": files}))
    return root


def test_an_album_holds_a_small_picture_of_every_image_and_says_what_became_of_the_others(
    tmp_path: Path,
) -> None:
    target = tmp_path / "one.album.zip"
    album.write(target, {"sample": folder(tmp_path / "sample", 3)})
    shots = album.read(target)
    assert [(shot.id, shot.text) for shot in shots[:3]] == [
        ("p0", "number 0"),
        ("p1", "number 1"),
        ("p2", "number 2"),
    ]
    assert shots[3].picture is None
    assert shots[3].reason == "out of memory"
    data = album.picture(target, shots[0].picture or "")
    assert data is not None
    (tmp_path / "small.webp").write_bytes(data)
    with Image.open(tmp_path / "small.webp") as small:
        assert small.size == (256, 128)


def test_a_picture_is_named_by_the_image_that_it_shows(tmp_path: Path) -> None:
    root = folder(tmp_path / "sample", 2)
    album.write(tmp_path / "one.album.zip", {"sample": root})
    whole = digest_file(root / "images/1.png")
    assert album.read(tmp_path / "one.album.zip")[1].picture == f"{whole[:32]}.webp"


def test_the_same_images_are_not_written_twice_and_give_the_same_bytes(tmp_path: Path) -> None:
    root, target = folder(tmp_path / "sample", 2), tmp_path / "one.album.zip"
    album.write(target, {"sample": root})
    before, changed = target.read_bytes(), target.stat().st_mtime_ns
    album.write(target, {"sample": root})
    assert target.stat().st_mtime_ns == changed
    target.unlink()
    album.write(target, {"sample": root})
    assert target.read_bytes() == before


def test_only_the_wanted_pictures_of_a_side_are_taken(tmp_path: Path) -> None:
    target = tmp_path / "one.album.zip"
    sides = {"sample": folder(tmp_path / "a", 1), "originals": folder(tmp_path / "b", 3)}
    album.write(target, sides, {"originals": ["p2"]})
    assert [(shot.side, shot.id) for shot in album.read(target)] == [
        ("sample", "p0"),
        ("sample", "lost"),
        ("originals", "p2"),
    ]


def test_an_image_that_cannot_be_read_leaves_the_others_alone(tmp_path: Path) -> None:
    root, target = folder(tmp_path / "sample", 2), tmp_path / "one.album.zip"
    (root / "images/0.png").write_bytes(b"no picture")
    album.write(target, {"sample": root})
    names = [shot.picture or "" for shot in album.read(target)]
    assert album.picture(target, names[0]) is None
    assert album.picture(target, names[1]) is not None


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half a zip", b"no zip at all"])
def test_a_broken_album_is_an_empty_one(tmp_path: Path, content: bytes) -> None:
    target = tmp_path / "one.album.zip"
    target.write_bytes(content)
    assert album.read(target) == []
    assert album.picture(target, "x.webp") is None


@pytest.mark.parametrize("index", ["{", "[1]", '{"id": "p"}', '{"other": 1}', "\udc80"])
def test_an_index_that_says_nothing_is_an_empty_album(tmp_path: Path, index: str) -> None:
    target = tmp_path / "one.album.zip"
    with zipfile.ZipFile(target, "w") as broken:
        broken.writestr(album.INDEX, index.encode("utf-8", "surrogateescape"))
    assert album.read(target) == []
    assert album.first(target) == ""


def test_nothing_but_the_index_and_pictures_is_in_an_album(tmp_path: Path) -> None:
    target = tmp_path / "one.album.zip"
    album.write(target, {"sample": folder(tmp_path / "sample", 2)})
    with zipfile.ZipFile(target) as inside:
        names = inside.namelist()
    assert album.INDEX in names
    assert len([name for name in names if name.endswith(".webp")]) == len(names) - 1 == 2


def test_a_picture_of_an_image_that_has_changed_is_left_out_with_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root, target = folder(tmp_path / "sample", 2), tmp_path / "one.album.zip"
    save_png(Image.new("RGB", (640, 320)), root / "images/1.png")
    album.write(target, {"sample": root})
    names = [shot.picture or "" for shot in album.read(target)[:2]]
    assert [album.picture(target, name) is not None for name in names] == [True, False]
    assert f"the album goes without {root / 'images/1.png'}" in caplog.text


def test_a_damaged_album_is_written_anew(tmp_path: Path) -> None:
    root, target = folder(tmp_path / "sample", 2), tmp_path / "one.album.zip"
    album.write(target, {"sample": root})
    whole = target.read_bytes()
    for at in (200, len(whole) // 2, len(whole) - 30):
        data = bytearray(whole)
        data[at] ^= 1
        target.write_bytes(data)
        album.write(target, {"sample": root})
        assert target.read_bytes() == whole
