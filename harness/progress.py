"""Show long work on stderr: bars with an ETA on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time

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
    """One bar a step."""

    def __init__(self) -> None:
        self._bars = Bars(
            SpinnerColumn(finished_text="✓"), TextColumn("{task.description}"), BarColumn(),
            MofNCompleteColumn(), TimeRemainingColumn(compact=True),
            TextColumn("[dim]{task.fields[note]}"),
            console=Console(stderr=True),
        )  # fmt: skip
        self._task: TaskID | None = None

    def begin(self, step: Step, number: int, total: int) -> None:
        self._bars.start()
        name = f"[{number}/{total}] {step.subject} · {step.name}"
        self._task = self._bars.add_task(name.replace("[", r"\["), total=None, note="")

    def progress(self, step: Step, progress: Progress) -> None:
        if self._task is not None:
            total = progress.total or None
            self._bars.update(self._task, completed=progress.done, total=total, note=progress.note)

    def end(self, step: Step) -> None:
        if self._task is not None:
            task = next(task for task in self._bars.tasks if task.id == self._task)
            self._bars.update(self._task, total=task.completed or 1, completed=task.completed or 1)
        self._bars.stop()


class Lines:
    """A line when a step begins and ends, and now and then between."""

    def __init__(self) -> None:
        self._name, self._began, self._spoke = "", 0.0, 0.0

    def begin(self, step: Step, number: int, total: int) -> None:
        self._name = f"[{number}/{total}] {step.subject} · {step.name}"
        self._began = self._spoke = time.monotonic()
        self._say("…")

    def progress(self, step: Step, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._spoke < SECONDS_BETWEEN_LINES or not progress.total:
            return
        self._spoke = now
        left = (now - self._began) / max(1, progress.done) * (progress.total - progress.done)
        self._say(f"{progress.done}/{progress.total} {progress.note}, about {left:.0f} s left")

    def end(self, step: Step) -> None:
        self._say(f"done in {time.monotonic() - self._began:.1f} s")

    def _say(self, text: str) -> None:
        print(f"{self._name} {text}", file=sys.stderr, flush=True)
