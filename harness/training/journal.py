"""The records of a training run: a line for each step, the time spent, and a tracker."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from harness.errors import MissingPrerequisite, TrainingError
from harness.pages.train import Train

_STATUS = Path("/proc/self/status")
"""Where Linux reports the memory of a process."""


class Log:
    """One JSON line for each step, with only what every run repeats; a restart cuts it back."""

    def __init__(self, file: Path, steps: int) -> None:
        lines = file.read_bytes().splitlines(keepends=True) if steps else []
        if len(lines) < steps:
            raise TrainingError(
                f"the log ends at step {len(lines)} and the state at {steps}",
                where=str(file),
                hint=f"remove {file.parent} and train again",
            )
        self._stream = file.open("a", encoding="utf-8")
        self._stream.truncate(sum(map(len, lines[:steps])))
        self.losses = [float(json.loads(line)["loss"]) for line in lines[:steps]]

    def add(self, facts: Mapping[str, Any]) -> None:
        self.losses.append(facts["loss"])
        self._stream.write(json.dumps(dict(facts), allow_nan=False) + "\n")

    def settle(self) -> None:
        """Write every line to disk, before a state that relies on them is written."""
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def close(self) -> None:
        self._stream.close()


class Clock:
    """The seconds that training spends, by kind of work."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    @contextmanager
    def on(self, what: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.spent[what] = self.spent.get(what, 0.0) + time.perf_counter() - began


def peak_memory_mb(device: str) -> int:
    """Return the peak memory since `forget_peak`: of the GPU, or of the process."""
    if device != "cpu":
        return round(torch.cuda.max_memory_allocated() / 2**20)
    if _STATUS.exists():
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return round(int(line.split()[1]) / 2**10)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10))


def forget_peak(device: str) -> None:
    """Free unused memory and reset the peak, which belongs to one stage."""
    if device != "cpu":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    elif _STATUS.exists():
        gc.collect()
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc alone keeps so much
        if trim is not None:
            trim(0)
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")


class Tracker:
    """The tracker that the recipe names, through accelerate; or none."""

    def __init__(self, train: Train, folder: Path | None, name: str, device: str) -> None:
        self._accelerator: Any = None
        if train.tracker is None or folder is None:
            return
        if find_spec(train.tracker) is None:
            raise MissingPrerequisite(
                f"the tracker {train.tracker} is not here",
                hint=f"pip install {train.tracker}, or drop train.tracker",
            )
        from accelerate import Accelerator

        logs = folder / train.tracker / name
        logs.mkdir(parents=True, exist_ok=True)
        self._accelerator = Accelerator(
            cpu=device == "cpu", log_with=train.tracker, project_dir=str(logs)
        )
        self._accelerator.init_trackers("harness", {"seed": train.seed, "steps": train.steps})

    def add(self, facts: Mapping[str, Any], step: int) -> None:
        if self._accelerator is not None:
            numbers = {name: value for name, value in facts.items() if name != "step"}
            self._accelerator.log(numbers, step=step)

    def close(self) -> None:
        if self._accelerator is not None:
            for tracker in self._accelerator.trackers:
                tracker.finish()
