"""What is being made at this moment: word of a step while it runs, and none after it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.interfaces import Page, Progress
from harness.keys import make_step
from harness.pipeline import watch
from harness.pipeline.store.local import Store
from harness.pipeline.watch.bars import Lines
from harness.pipeline.watch.live import Live, RunningStep, Together, losses, running_steps
from harness.records import Step


class Nothing(Page):
    """A spec that says nothing."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture
def step() -> Step:
    return make_step("train", "train", 1, Nothing(), subject="tiny")


def test_a_step_is_known_from_its_beginning_to_its_end(store: Store, step: Step) -> None:
    live = Live(store)
    live.begin(step, 2, 5)
    found = running_steps(store)
    assert [(each.subject, each.step, each.number, each.total) for each in found] == [
        ("tiny", "train", 2, 5)
    ]
    live.end(step)
    assert running_steps(store) == []


def test_progress_says_how_far_it_is_and_how_long_it_takes_yet(store: Store, step: Step) -> None:
    live = Live(store)
    live.begin(step, 1, 1)
    live.progress(step, Progress(25, 100, "loss 0.1"))
    (found,) = running_steps(store)
    assert (found.done, found.of, found.note) == (25, 100, "loss 0.1")
    assert replace(found, began=100.0, heard=110.0).left == pytest.approx(30.0)
    assert replace(found, done=0).left is None


def test_a_line_does_not_call_a_failed_step_done(
    step: Step, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = Lines()
    lines.begin(step, 1, 2)
    lines.end(step)
    assert "[1/2] tiny · train done in" in capsys.readouterr().err
    lines.begin(step, 2, 2)
    try:
        raise KeyError("lost")
    except KeyError:
        lines.end(step)
    assert "[2/2] tiny · train stopped after" in capsys.readouterr().err


def test_word_is_left_no_oftener_than_once_a_second(
    store: Store, step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(watch.live, "time", SimpleNamespace(time=lambda: now[0]))
    live = Live(store)
    live.begin(step, 1, 1)
    for done in range(1, 50):
        live.progress(step, Progress(done, 50))
        now[0] += 0.01
    assert running_steps(store)[0].done == 1
    now[0] += 1
    live.progress(step, Progress(50, 50))
    assert running_steps(store)[0].done == 50


def test_a_killed_process_counts_as_stopped(store: Store, step: Step) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    live = Live(store)
    live.begin(step, 1, 1)
    (mine,) = running_steps(store)
    assert not mine.stopped(time.time())
    assert replace(mine, pid=ended.pid).stopped(time.time())


def test_a_step_on_another_machine_counts_as_stopped_when_it_is_silent() -> None:
    far = RunningStep("tiny", "train", "k", 1, 1, 0.0, 1000.0, "elsewhere.invalid", os.getpid())
    assert not far.stopped(1030.0)
    assert far.stopped(1100.0)


def test_what_is_half_written_is_passed_over(store: Store, step: Step) -> None:
    Live(store).begin(step, 1, 1)
    (store.root / "live/half.json").write_text('{"subject": "ti')
    (store.root / "live/other.json").write_text('{"something": "else"}')
    assert [each.subject for each in running_steps(store)] == ["tiny"]


def test_losses_are_read_as_far_as_the_log_has_come(store: Store, step: Step) -> None:
    store.log(step, {"step": 1, "loss": 0.5})
    store.log(step, {"step": 2, "loss": 0.25})
    with (store.logs / f"{step.key}.jsonl").open("a") as stream:
        stream.write(json.dumps({"step": 3, "loss": 0.1})[:9])
    assert losses(store, step.key) == [(1, 0.5), (2, 0.25)]
    assert losses(store, "unknown") == []


def test_several_watchers_all_hear(store: Store, step: Step, tmp_path: Path) -> None:
    other = Store(tmp_path / "other")
    both = Together([Live(store), Live(other)])
    both.begin(step, 1, 1)
    both.progress(step, Progress(1, 2))
    assert len(running_steps(store)) == len(running_steps(other)) == 1
    both.end(step)
    assert running_steps(store) == running_steps(other) == []
