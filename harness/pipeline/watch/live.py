"""The steps under way at this moment: one small file a step, below the store, while it runs.

The dashboard reads these files; no artifact depends on them. A killed process leaves its file
behind, which then shows when the process last wrote.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness.files import lines_of, write_json
from harness.interfaces import Progress
from harness.pipeline.run_settings import Watcher
from harness.pipeline.store.local import Store
from harness.records import Step

SECONDS_BETWEEN_NOTES = 1.0
SILENT = 60.0
"""Seconds without a word after which a step on another machine counts as stopped."""
CURVE = 400
"""Steps of a loss curve that are read at most: the last ones."""


@dataclass(frozen=True)
class RunningStep:
    """One step that is being made."""

    subject: str
    """The recipe or benchmark it is for."""
    step: str
    key: str
    number: int
    total: int
    """The how-manyeth of how many steps to make."""
    began: float
    """Seconds since 1970, as `heard`."""
    heard: float
    host: str
    pid: int
    done: int = 0
    of: int = 0
    note: str = ""

    @property
    def left(self) -> float | None:
        """Return about how many seconds the step takes yet; None where that is unknown."""
        if not self.of or not self.done:
            return None
        return (self.heard - self.began) / self.done * (self.of - self.done)

    def stopped(self, now: float) -> bool:
        """Return whether the process that made it is gone, as far as this machine can tell."""
        if self.host == socket.gethostname():
            return not _runs(self.pid)
        return now - self.heard > SILENT


class Live:
    """A watcher that writes a file for each step under way, below the store."""

    def __init__(self, store: Store) -> None:
        self._folder = store.root / "live"
        self._running: dict[str, RunningStep] = {}
        self._written = 0.0

    def begin(self, step: Step, number: int, total: int) -> None:
        now = time.time()
        self._running[step.key] = RunningStep(
            step.subject,
            step.name,
            step.key,
            number,
            total,
            now,
            now,
            socket.gethostname(),
            os.getpid(),
        )
        self._write(step)

    def progress(self, step: Step, progress: Progress) -> None:
        now = time.time()
        self._running[step.key] = replace(
            self._running[step.key],
            heard=now,
            done=progress.done,
            of=progress.total,
            note=progress.note,
        )
        if now - self._written >= SECONDS_BETWEEN_NOTES:
            self._written = now
            self._write(step)

    def end(self, step: Step) -> None:
        self._running.pop(step.key, None)
        self._file(step).unlink(missing_ok=True)

    def _write(self, step: Step) -> None:
        write_json(self._file(step), asdict(self._running[step.key]))

    def _file(self, step: Step) -> Path:
        return self._folder / f"{step.key}.json"


class Together:
    """Several watchers as one."""

    def __init__(self, watchers: Sequence[Watcher]) -> None:
        self._watchers = watchers

    def begin(self, step: Step, number: int, total: int) -> None:
        for each in self._watchers:
            each.begin(step, number, total)

    def progress(self, step: Step, progress: Progress) -> None:
        for each in self._watchers:
            each.progress(step, progress)

    def end(self, step: Step) -> None:
        for each in self._watchers:
            each.end(step)


def running_steps(store: Store) -> list[RunningStep]:
    """Return every step that is being made, the one begun first at the top."""
    steps = []
    for file in (store.root / "live").glob("*.json"):
        try:
            steps.append(RunningStep(**json.loads(file.read_text(encoding="utf-8"))))
        except (OSError, ValueError, TypeError):
            continue  # it ended between two looks, or is no word of ours
    return sorted(steps, key=lambda each: (each.began, each.key))


def losses(store: Store, key: str) -> list[tuple[int, float]]:
    """Return step and loss of a training that goes on, as far as its log has come."""
    facts = _facts(store, key)[-CURVE:]
    return [(each["step"], float(each["loss"])) for each in facts if _has(each, "loss")]


def looks(store: Store, key: str) -> list[dict[str, float]]:
    """Return the figures of the loss probe's looks at a training that goes on.

    A look that a restart repeats is there once.
    """
    found = {each["step"]: each for each in _facts(store, key) if _has(each, "held_out_loss")}
    return [
        {name: value for name, value in found[step].items() if _has(found[step], name)}
        for step in sorted(found)
    ]


def _facts(store: Store, key: str) -> list[dict[str, Any]]:
    """Return the lines of a step's log that say of which step they are."""
    try:
        lines = lines_of((store.logs / f"{key}.jsonl").read_text(encoding="utf-8"))
    except OSError:
        return []
    facts = []
    for line in lines:
        try:
            said = json.loads(line)
        except ValueError:
            continue  # a line that is being written
        if isinstance(said, dict) and isinstance(said.get("step"), int):
            facts.append(said)
    return facts


def _has(facts: dict[str, Any], name: str) -> bool:
    return isinstance(facts.get(name), int | float)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
