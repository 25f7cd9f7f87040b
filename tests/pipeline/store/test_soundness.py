"""Damaged artifacts: found before they are read, set aside with a word, and made again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import StoreError
from harness.keys import make_step
from harness.pages.stages import TreatSpec
from harness.pipeline.store.local import MANIFEST, Store, content_of, damage
from harness.pipeline.store.soundness import keep_if_sound, read_sound, require_sound
from harness.records import Artifact, Step

STEP = make_step("sample", "sample", 1, TreatSpec(count=2), subject="ink")
NEXT = make_step("base", "sample", 1, TreatSpec(count=1), {"images": STEP.key})


def work(folder: Path) -> None:
    (folder / "images").mkdir()
    for number in range(3):
        (folder / "images" / f"{number}.png").write_bytes(bytes([number]) * 500)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def made(store: Store) -> Artifact:
    return store.get_or_make(STEP, work)


def flip(file: Path) -> None:
    """Change one bit, and leave size and time as they were."""
    facts, data = file.stat(), bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(data)
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))


DAMAGES: dict[str, Callable[[Path], None]] = {
    "a flipped bit": lambda folder: flip(folder / "images/1.png"),
    "a file that is cut": lambda folder: os.truncate(folder / "images/1.png", 10),
    "a missing file": lambda folder: (folder / "images/1.png").unlink(),
    "another file": lambda folder: (folder / "images/9.png").touch(),
    "a flipped bit of the manifest": lambda folder: flip(folder / MANIFEST),
    "an empty manifest": lambda folder: os.truncate(folder / MANIFEST, 0),
    "other seconds": lambda folder: edit(folder, "provenance", {"seconds": 1e9}),
    "another digest": lambda folder: edit(folder, "files", {"images/0.png": "0" * 64}),
    "another spec": lambda folder: edit(folder, "spec", {"count": 9}),
}


def edit(folder: Path, field: str, value: object) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**manifest, field: value}))


@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_damaged_is_set_aside_with_a_word(
    name: str, store: Store, made: Artifact, caplog: pytest.LogCaptureFixture
) -> None:
    assert keep_if_sound(store, STEP)
    DAMAGES[name](made.path)
    assert not keep_if_sound(store, STEP)
    assert not store.has(STEP)
    assert list(store.artifacts()) == []
    assert (store.damaged / STEP.key / "images").is_dir()
    assert "sample of ink is damaged and is made again" in caplog.text
    assert store.leftovers() == [store.damaged / STEP.key]
    again = store.get_or_make(STEP, work)
    assert damage(again) == []
    assert keep_if_sound(store, STEP)


def test_damage_within_the_process_is_found_by_the_times_of_the_file(
    store: Store, made: Artifact
) -> None:
    for _ in range(2):
        require_sound(made)
    flip(made.path / "images/0.png")
    with pytest.raises(StoreError, match=r"0\.png has changed since it was made"):
        require_sound(made)


def test_one_file_is_read_as_it_was_made_or_not_at_all(made: Artifact) -> None:
    assert read_sound(made, "images/1.png") == bytes([1]) * 500
    flip(made.path / "images/1.png")
    with pytest.raises(StoreError, match=r"1\.png: has changed since it was made \(remove"):
        read_sound(made, "images/1.png")
    (made.path / "images/1.png").unlink()
    with pytest.raises(StoreError, match=r"1\.png: cannot be read"):
        read_sound(made, "images/1.png")


def test_a_manifest_names_the_contents_of_its_inputs(store: Store, made: Artifact) -> None:
    after = store.get_or_make(NEXT, work)
    assert after.manifest["contents"] == {"images": content_of(made)}


def test_what_was_made_again_to_the_same_bytes_has_the_same_content(
    store: Store, made: Artifact
) -> None:
    flip(made.path / "images/1.png")
    assert not keep_if_sound(store, STEP)
    again = store.get_or_make(STEP, work, {"seconds": 7.0})
    assert content_of(again) == content_of(made)
    assert again.manifest["digest"] != made.manifest["digest"]


def test_a_manifest_of_an_older_release_is_read(store: Store, made: Artifact) -> None:
    manifest = json.loads((made.path / MANIFEST).read_text())
    del manifest["digest"], manifest["contents"]
    (made.path / MANIFEST).write_text(json.dumps(manifest))
    assert keep_if_sound(store, STEP)


def test_facts_with_numbers_as_names_seal_as_they_are_read_again(store: Store) -> None:
    made = store.get_or_make(STEP, work, {"seen": {16: 1, 8: (2, 0.1)}})
    assert damage(store.get(STEP)) == []
    assert made.manifest["provenance"]["seen"] == {"16": 1, "8": [2, 0.1]}


def other(count: int) -> Step:
    return make_step("sample", "sample", 1, TreatSpec(count=count))


def test_an_artifact_under_another_key_is_damaged(store: Store, made: Artifact) -> None:
    place = store.folder(other(7))
    place.parent.mkdir(parents=True, exist_ok=True)
    made.path.rename(place)
    assert not keep_if_sound(store, other(7))
