"""Where and how steps are made: the store, the device, the executor, and what shows progress."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.interfaces import Progress, WorkerPool
from harness.pipeline.store.local import Store
from harness.records import Step


class Watcher(Protocol):
    """Shows or notes the progress of steps."""

    def begin(self, step: Step, number: int, total: int) -> None: ...
    def progress(self, step: Step, progress: Progress) -> None: ...
    def end(self, step: Step) -> None: ...


class MakeStep(Protocol):
    """A function that makes one step, with the executor's pool of workers if it has one."""

    def __call__(self, step: Step, pool: WorkerPool | None = None) -> None: ...


Executor = Callable[[Sequence[Step], MakeStep], None]
"""Calls a `MakeStep` for every step: one after the other, or several at once."""


@dataclass(frozen=True)
class RunSettings:
    """Where and how to run; none of it changes a result."""

    store: Store
    reports: Path
    device: Callable[[], str]
    """Called only if there is work: finding a device loads a network library."""
    executor: Executor
    watcher: Watcher
    batch: int = 16
    processes: Callable[[str], int] = lambda device: 1
    """How many processes share a step that can be shared, on this device."""
    together: bool = False
    """Whether the executor takes the steps of several plans at once."""
