"""Who may use a store beside whom, and what is said to those who wait."""

from __future__ import annotations

import errno
import fcntl
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from running import House, harness

from harness.errors import StoreError
from harness.keys import make_step
from harness.pages.train import Adapter
from harness.pipeline.store import locks
from harness.pipeline.store.local import Store
from harness.pipeline.store.maintenance import collect_garbage
from harness.pipeline.workspace import Workspace

HOLDS = """
import sys
from pathlib import Path
from harness.pipeline.store.local import Store

with Store(Path(sys.argv[1])).hold("run"):
    print("holds", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", wait=False)


@contextmanager
def another_run(store: Store) -> Iterator[subprocess.Popen[str]]:
    """Let another process hold a store."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(store.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "holds\n"
        try:
            yield other
        finally:
            other.kill()


def leftover(store: Store) -> Path:
    """Leave what a killed step leaves, and return it."""
    folder = store.root / "work" / ("0" * 64)
    folder.mkdir(parents=True)
    return folder


def test_any_number_of_runs_hold_a_store_together(store: Store) -> None:
    with store.hold("run"), store.hold("gate"), another_run(store):
        holders = store._lock("", alone=False).holders()
        assert sorted(each.what for each in holders) == ["gate", "run", "run"]


def test_gc_removes_nothing_under_a_run_that_has_not_begun_a_step(
    store: Store, tmp_path: Path
) -> None:
    folder = leftover(store)
    with another_run(store) as other, pytest.raises(StoreError) as caught:
        collect_garbage(store, tmp_path, dry_run=False)
    assert f"{store.root} is in use: PID {other.pid} (run) since 2" in str(caught.value)
    assert folder.is_dir()
    assert len(collect_garbage(store, tmp_path, dry_run=True).folders) == 1


def test_gc_waits_with_a_word_until_the_run_has_ended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "store")
    folder = leftover(store)
    monkeypatch.setattr(locks, "SILENCE", 0.0)

    def kill_at_the_word() -> None:
        while "waits for" not in caplog.text:
            time.sleep(0.02)
        other.kill()

    with another_run(store) as other:
        threading.Thread(target=kill_at_the_word, daemon=True).start()
        collect_garbage(store, tmp_path, dry_run=False)
    assert not folder.exists()
    assert f"{store.root} is in use: waits for PID {other.pid} (run) since 2" in caplog.text


def test_an_artifact_that_gc_was_killed_at_is_none_any_more(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = make_step("train", "train", 1, Adapter(rank=4), {})
    store.get_or_make(step, lambda folder: None)

    def cut(folder: Path) -> None:
        raise KeyboardInterrupt

    (tmp_path / "reports").mkdir()
    monkeypatch.setattr("harness.pipeline.store.maintenance.shutil.rmtree", cut)
    with pytest.raises(KeyboardInterrupt):
        collect_garbage(store, tmp_path / "reports", dry_run=False)
    assert store.folder(step).is_dir()
    assert not store.has(step)


def test_a_run_that_comes_while_gc_works_is_told(store: Store) -> None:
    with store.hold_alone("gc"), pytest.raises(StoreError, match=r"in use: PID \d+ \(gc\)"):
        store.hold("run").__enter__()


@pytest.mark.slow
def test_every_command_that_makes_something_waits_for_gc(house: House) -> None:
    store = Store(house.store)
    place = ("--store", house.store, "--reports", house.reports, "--no-wait")
    result = house.reports / "tiny-v1" / "tiny.json"
    commands = [
        ("run", "tiny", "--benchmark", "tiny-v1", *place),
        ("sweep", "tiny", "--at", "0,1", "--benchmark", "tiny-v1", *place),
        ("gate", result, "--baseline", result, *place),
        ("calibrate", "tiny-v1", "--recipe", "tiny", *place),
        ("score", "--images", house.reports, "--name", "x", "--benchmark", "tiny-v1", *place),
        ("gc", *place),
        ("store", "pull", house.reports, *place),
    ]
    with store.hold_alone("gc"):
        for words in commands:
            ran = harness(*words)
            assert ran.code == 1, words
            assert "is in use: PID" in ran.err


def test_a_lock_ends_with_its_process_and_its_note_is_cleared(store: Store) -> None:
    with another_run(store) as other:
        pass
    notes = list((store.root / "locks").glob("store.*.note"))
    assert [json.loads(note.read_text())["pid"] for note in notes] == [other.pid]
    with store.hold_alone("gc"):
        (holder,) = store._lock("", alone=True).holders()
    assert holder.what == "gc"
    assert not list((store.root / "locks").glob("store.*.note"))


def test_waiting_ends_when_the_one_who_waits_is_stopped(store: Store) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    waiting = Store(store.root)._lock("gc", alone=True)
    with store.hold("run"), pytest.raises(KeyboardInterrupt):
        waiting.held(stop).__enter__()


@pytest.fixture
def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be on a file system that keeps no locks."""

    def refuse(descriptor: int, kind: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(locks, "_warned", set())


@pytest.mark.usefixtures("without_locks")
def test_a_file_system_without_locks_is_named_once_and_the_run_goes_on(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    with store.hold("run"), store.hold("run"):
        pass
    (word,) = caplog.messages
    assert word == (
        f"the file system of {store.root / 'locks'} keeps no locks: run one command at a time there"
    )


@pytest.mark.usefixtures("without_locks")
def test_gc_wants_a_word_on_a_file_system_without_locks(store: Store, tmp_path: Path) -> None:
    folder = leftover(store)
    with pytest.raises(StoreError, match=r"keeps no locks, .*--anyway"):
        collect_garbage(store, tmp_path, dry_run=False)
    assert folder.is_dir()
    collect_garbage(store, tmp_path, dry_run=False, anyway=True)
    assert not folder.exists()


def test_a_store_that_is_only_for_reading_is_read_without_a_lock(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> int:
        raise OSError(errno.EROFS, "Read-only file system")

    (store.root / "locks").mkdir(parents=True)
    monkeypatch.setattr(locks.os, "open", refuse)
    with store.hold("verify", writes=False):
        pass


def test_a_command_that_reads_makes_no_store(tmp_path: Path) -> None:
    with Workspace(tmp_path / "none", tmp_path).open_store().hold("verify", writes=False):
        pass
    assert not (tmp_path / "none").exists()
