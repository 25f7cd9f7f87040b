from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from harness.errors import StoreError
from harness.files import write_json, write_text
from harness.keys import make_step
from harness.pages.train import Adapter
from harness.pipeline.store import locks
from harness.pipeline.store.local import MANIFEST, Store, damage, read_artifact
from harness.records import Step


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def step(rank: int = 4) -> Step:
    return make_step("train", "train", 1, Adapter(rank=rank), {"data": "abc"}, subject="ink")


def write_two(folder: Path) -> None:
    (folder / "weights").write_text("heavy")
    (folder / "log").mkdir()
    (folder / "log" / "loss.csv").write_text("0.1")


def fail_halfway(folder: Path) -> None:
    (folder / "weights").write_text("half")
    raise RuntimeError("the power went")


def names(folder: Path) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in files)


def test_what_is_missing_is_made_and_found_again(store: Store) -> None:
    assert not store.has(step())
    made = store.get_or_make(step(), write_two)
    assert store.has(step())
    assert store.get(step()) == made
    assert names(made.path) == ["log/loss.csv", MANIFEST, "weights"]


def test_work_that_is_done_is_not_done_again(store: Store) -> None:
    times: list[Path] = []

    def work(folder: Path) -> None:
        times.append(folder)
        write_two(folder)

    first = store.get_or_make(step(), work)
    second = Store(store.root).get_or_make(step(), work)
    assert len(times) == 1
    assert first == second


def test_other_specs_have_other_places(store: Store) -> None:
    one, two = store.get_or_make(step(4), write_two), store.get_or_make(step(8), write_two)
    assert one.path != two.path
    assert {artifact.key for artifact in store.artifacts()} == {step(4).key, step(8).key}


def test_failed_work_leaves_nothing_finished_behind(store: Store) -> None:
    with pytest.raises(RuntimeError, match="the power went"):
        store.get_or_make(step(), fail_halfway)
    assert not store.has(step())
    assert list(store.artifacts()) == []
    assert not store.folder(step()).exists()


def test_failed_work_is_found_again_as_it_was_left(store: Store) -> None:
    with pytest.raises(RuntimeError):
        store.get_or_make(step(), fail_halfway)
    assert store.leftovers() == [store.work(step())]

    def go_on(folder: Path) -> None:
        whole = (folder / "weights").read_text() + " and half"
        (folder / "weights").write_text(whole)

    made = store.get_or_make(step(), go_on)
    assert (made.path / "weights").read_text() == "half and half"
    assert store.leftovers() == []


def test_work_never_sees_a_manifest(store: Store) -> None:
    seen: list[list[str]] = []

    def work(folder: Path) -> None:
        write_two(folder)
        seen.append(names(folder))

    store.get_or_make(step(), work)
    assert seen == [["log/loss.csv", "weights"]]


def test_a_folder_without_its_manifest_does_not_count_and_is_made_anew(store: Store) -> None:
    place = store.folder(step())
    place.mkdir(parents=True)
    (place / "stale").write_text("left by a copy that was cut short")
    assert not store.has(step())
    assert names(store.get_or_make(step(), write_two).path) == ["log/loss.csv", MANIFEST, "weights"]


def test_the_manifest_says_what_was_made_from_what(store: Store) -> None:
    made = store.get_or_make(step(), write_two).manifest
    assert made["key"] == step().key
    assert made["stage"] == "train"
    assert made["spec"] == {"rank": 4}
    assert made["inputs"] == {"data": "abc"}
    assert list(made["files"]) == ["log/loss.csv", "weights"]
    assert made["provenance"]["seconds"] >= 0


def test_scratch_is_thrown_away(store: Store) -> None:
    def work(folder: Path) -> None:
        write_two(folder)
        (folder / "scratch-latents").mkdir()
        (folder / "scratch-latents" / "0.bin").write_text("big")
        (folder / "scratch.pt").write_text("state")

    made = store.get_or_make(step(), work)
    assert names(made.path) == ["log/loss.csv", MANIFEST, "weights"]
    assert "scratch.pt" not in made.manifest["files"]


def test_an_artifact_that_nobody_touched_is_sound(store: Store) -> None:
    assert damage(store.get_or_make(step(), write_two)) == []


def test_damage_names_files_that_are_missing_changed_and_added(store: Store) -> None:
    made = store.get_or_make(step(), write_two)
    (made.path / "weights").write_text("tampered")
    (made.path / "log" / "loss.csv").unlink()
    (made.path / "log" / "new.csv").write_text("1")
    assert damage(made) == [
        f"{made.path / 'log/loss.csv'} is missing",
        f"{made.path / 'weights'} has changed since it was made",
        f"{made.path / 'log/new.csv'} was added",
    ]


@pytest.mark.parametrize("content", ["", "{", "{}", '{"key": '])
def test_a_broken_manifest_is_named_with_its_folder(store: Store, content: str) -> None:
    made = store.get_or_make(step(), write_two)
    (made.path / MANIFEST).write_text(content)
    with pytest.raises(StoreError, match="holds no readable manifest") as caught:
        store.get(step())
    assert caught.value.where == str(made.path)


def test_an_artifact_that_was_never_made_cannot_be_got(store: Store) -> None:
    with pytest.raises(StoreError):
        read_artifact(store.folder(step()))


def test_a_second_writer_is_refused_while_the_first_works(store: Store) -> None:
    working, enough = threading.Event(), threading.Event()

    def work(folder: Path) -> None:
        working.set()
        assert enough.wait(30)
        write_two(folder)

    first = threading.Thread(target=store.get_or_make, args=(step(), work))
    first.start()
    try:
        assert working.wait(30)
        with pytest.raises(StoreError, match="another process is making train of ink"):
            Store(store.root, wait=False).get_or_make(step(), fail_halfway)
    finally:
        enough.set()
        first.join()
    assert damage(store.get_or_make(step(), fail_halfway)) == []


PROGRAM = """
import sys
from pathlib import Path
from harness.pages.train import Adapter
from harness.keys import make_step
from harness.pipeline.store.local import Store

def work(folder):
    print("working", flush=True)
    sys.stdin.readline()
    (folder / "weights").write_text("theirs")

step = make_step("train", "train", 1, Adapter(rank=4), {"data": "abc"}, subject="ink")
Store(Path(sys.argv[1])).get_or_make(step, work)
"""


def test_a_second_writer_waits_with_a_word_and_takes_what_the_first_made(
    store: Store, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "SILENCE", 0.0)
    working, enough = threading.Event(), threading.Event()

    def work(folder: Path) -> None:
        working.set()
        assert enough.wait(30)
        write_two(folder)

    first = threading.Thread(target=store.get_or_make, args=(step(), work))
    first.start()
    assert working.wait(30)
    made = Store(store.root).get_or_make(step(), fail_halfway, check=enough.set)
    first.join()
    assert names(made.path) == ["log/loss.csv", MANIFEST, "weights"]
    (word,) = caplog.messages
    assert word.startswith("another process is making train of ink: waits for PID ")
    assert word.endswith("; Ctrl-C stops")


def test_a_second_process_is_refused_while_the_first_works(store: Store) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(store.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "working\n"
        with pytest.raises(StoreError, match=f"making train of ink: PID {other.pid} since 2"):
            Store(store.root, wait=False).get_or_make(step(), write_two)
        other.communicate("go on\n", timeout=30)
    assert other.returncode == 0
    assert (store.get(step()).path / "weights").read_text() == "theirs"


def test_a_writer_that_was_killed_leaves_the_way_free(store: Store) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(store.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "working\n"
        other.kill()
        other.wait(timeout=30)
    assert not store.has(step())
    assert (store.get_or_make(step(), write_two).path / "weights").read_text() == "heavy"


def test_two_steps_can_be_made_at_once(store: Store) -> None:
    def work(folder: Path) -> None:
        store.get_or_make(step(8), write_two)
        write_two(folder)

    store.get_or_make(step(4), work)
    assert store.has(step(8))


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "inner" / "page.json"
    write_json(file, {"value": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(file, {"value": float("nan")})
    assert json.loads(file.read_text()) == {"value": 1}
    write_text(file, "new")
    assert names(tmp_path) == ["inner/page.json"]
