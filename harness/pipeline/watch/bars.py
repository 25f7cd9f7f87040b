"""Show long work on stderr: bars with an ETA on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import (
    Progress as Bars,
)

from harness.escaping import printable
from harness.interfaces import Progress
from harness.records import Step

SECONDS_BETWEEN_LINES = 15.0


def watcher(quiet: bool = False) -> Bar | Lines | Silence:
    """Return the watcher that suits where stderr goes."""
    if quiet:
        return Silence()
    return Bar() if sys.stderr.isatty() else Lines()


class Silence:
    """Watch and say nothing."""

    def begin(self, step: Step, number: int, total: int) -> None: ...
    def progress(self, step: Step, progress: Progress) -> None: ...
    def end(self, step: Step) -> None: ...


class Bar:
    """One bar a step, and several at once where steps run side by side."""

    def __init__(self) -> None:
        self._bars = Bars(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[note]}", style="dim", markup=False),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, TaskID] = {}
        self._open: set[str] = set()

    def begin(self, step: Step, number: int, total: int) -> None:
        self._bars.start()
        name = printable(f"[{number}/{total}] {step.subject} · {step.name}")
        self._tasks[step.key] = self._bars.add_task(name, total=None, note="")
        self._open.add(step.key)

    def progress(self, step: Step, progress: Progress) -> None:
        if step.key in self._open:
            task, total = self._tasks[step.key], progress.total or None
            note = printable(progress.note)
            self._bars.update(task, completed=progress.done, total=total, note=note)

    def end(self, step: Step) -> None:
        if step.key in self._open:
            task = next(task for task in self._bars.tasks if task.id == self._tasks[step.key])
            done = task.completed or 1
            self._bars.update(task.id, total=done, completed=done)
            self._open.discard(step.key)
        if not self._open:
            self._bars.stop()


@dataclass
class _Begun:
    """A step that is under way, and when there was last word of it."""

    name: str
    began: float
    spoke: float


class Lines:
    """A line when a step begins and ends, and now and then between; steps may run side by side."""

    def __init__(self) -> None:
        self._begun: dict[str, _Begun] = {}

    def begin(self, step: Step, number: int, total: int) -> None:
        now = time.monotonic()
        name = f"[{number}/{total}] {step.subject} · {step.name}"
        self._begun[step.key] = _Begun(name, now, now)
        _say(f"{name} …")

    def progress(self, step: Step, progress: Progress) -> None:
        begun, now = self._begun[step.key], time.monotonic()
        if now - begun.spoke < SECONDS_BETWEEN_LINES or not progress.total:
            return
        begun.spoke = now
        left = (now - begun.began) / max(1, progress.done) * (progress.total - progress.done)
        done = f"{progress.done}/{progress.total} {progress.note}"
        _say(f"{begun.name} {done}, about {left:.0f} s left")

    def end(self, step: Step) -> None:
        begun = self._begun.pop(step.key)
        failed = sys.exc_info()[0] is not None  # it is told while the step's error passes through
        word = "stopped after" if failed else "done in"
        _say(f"{begun.name} {word} {time.monotonic() - begun.began:.1f} s")


def _say(text: str) -> None:
    print(printable(text), file=sys.stderr, flush=True)
