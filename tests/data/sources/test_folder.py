"""A folder of images as a data source: captions from wherever they stand, and nothing guessed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.data.sources.folder import folder
from harness.data.specs import Folder
from harness.errors import StoreError, UsageError
from harness.pocket.world import row


def spec(root: Path) -> Folder:
    return Folder(use="folder", path=str(root))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number in range(3):
        row("faces", number).image().save(tmp_path / f"{number}.png")
    (tmp_path / "0.txt").write_text("1girl, solo,  red hair\n")
    lines = [
        {"file_name": "1.png", "text": None, "tags": "1boy, solo", "rating": "general"},
        {"file_name": "2.png", "text": "a face", "tags": ["1girl"]},
    ]
    (tmp_path / "metadata.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    return tmp_path


def test_captions_come_from_text_files_and_metadata(root: Path) -> None:
    found = list(folder(spec(root)))
    assert [each.text for each in found] == ["1girl, solo,  red hair", "", "a face"]
    assert [each.tags for each in found] == [
        ("1girl", "solo", "red hair"),
        ("1boy", "solo"),
        ("1girl",),
    ]
    assert found[1].facts is not None
    assert found[1].facts["rating"] == "general"
    assert found[2].open().size == (64, 64)


def test_a_picture_is_read_as_it_was_when_the_folder_was_listed(root: Path) -> None:
    first, second, _ = folder(spec(root))
    assert first.read is not None
    assert second.read is not None
    assert first.read() == (root / "0.png").read_bytes()
    (root / "1.png").write_bytes((root / "2.png").read_bytes())
    with pytest.raises(StoreError, match=r"1\.png: changed while being read \(run again\)"):
        second.read()


def test_a_caption_that_is_not_utf8_is_named(root: Path) -> None:
    (root / "0.txt").write_bytes("café".encode("latin-1"))
    with pytest.raises(UsageError, match=r"0\.txt: is not UTF-8 text"):
        list(folder(spec(root)))


def test_a_broken_metadata_line_is_named(root: Path) -> None:
    (root / "metadata.jsonl").write_text('{"file_name": "1.png"}\n[1]\n')
    with pytest.raises(UsageError, match=r"metadata\.jsonl:2: is not a JSON object"):
        list(folder(spec(root)))


def test_a_folder_that_is_not_there_can_be_planned_and_not_read(tmp_path: Path) -> None:
    nowhere = spec(tmp_path / "nowhere")
    assert nowhere.fingerprint()["use"] == "folder"
    with pytest.raises(UsageError, match=r"there is no folder .*source\.path, which begins"):
        list(folder(nowhere))


def test_one_changed_caption_is_another_data_set(root: Path) -> None:
    before = spec(root).fingerprint()
    assert spec(root).fingerprint() == before
    (root / "0.txt").write_text("1girl")
    assert spec(root).fingerprint() != before
