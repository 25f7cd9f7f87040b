"""Steps → artifacts: each step's stage is run in the store, and its progress is reported."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from harness.errors import MissingPrerequisite
from harness.interfaces import Page, Progress, StageContext, WorkerPool
from harness.pages.stages import SampleSpec, TrainSpec
from harness.pipeline.run_settings import RunSettings
from harness.pipeline.stages import STAGES
from harness.pipeline.stages.loading import importing
from harness.pipeline.stages.pieces import delegate
from harness.pipeline.stages.threads import threads_here
from harness.pipeline.steps import require_as_planned
from harness.pipeline.store.soundness import keep_if_sound
from harness.pipeline.weights import ENGINE, WEIGHTS, commits_in, engine_in
from harness.records import Step

StageFunction = Callable[[Any, StageContext], None]


class StepRunner:
    """Makes steps, whose inputs are in the store or stand before them.

    It keeps what all steps share: the device, Ctrl-C, and which features cannot be had.
    """

    def __init__(self, steps: Sequence[Step], known: Sequence[Step], settings: RunSettings) -> None:
        """Take the `steps` to make, and all the steps that are `known` as their inputs."""
        self._steps, self._settings = steps, settings
        with importing():  # a device is found by a network library
            self._device = settings.device() if steps else ""
        self._numbers = {step.key: number for number, step in enumerate(steps, 1)}
        self._by_key = {step.key: step for step in known}
        self._stop = Stop()
        self._lacking: dict[str, str] = {}

    def run(self) -> dict[str, str]:
        """Make every step; return why features are lacking, by their key."""
        for step in self._steps:
            if isinstance(step.spec, TrainSpec) and not _cuda_has_started():
                os.environ.update(step.spec.train.environment)
        if self._settings.together:  # modules that several threads import at once are incomplete
            for stage in dict.fromkeys(step.stage for step in self._steps):
                STAGES[stage].load()
            if any(isinstance(step.spec, SampleSpec) for step in self._steps):
                importlib.import_module("harness.pipeline.stages.draw")
        # libraries print, and stdout is for results
        with self._stop.listening(), redirect_stdout(sys.stderr):
            self._settings.executor(self._steps, self.make)
        return self._lacking

    def make(self, step: Step, pool: WorkerPool | None = None) -> None:
        """Make one step, unless an input of it is lacking; features may become lacking here."""
        if self._lacking.keys() & set(step.reads.values()):
            return
        for key in step.reads.values():  # what was found damaged is made again before it is read
            if not keep_if_sound(self._settings.store, self._by_key[key]):
                self.make(self._by_key[key], pool)
        number = self._numbers.get(step.key, 1)
        self._settings.watcher.begin(step, number, max(1, len(self._steps)))
        notes: dict[str, Any] = {"device": self._device}
        try:
            began = time.perf_counter()
            function = STAGES[step.stage].load()  # loading torch is no part of a step's seconds
            notes["import_seconds"] = round(time.perf_counter() - began, 3)
            notes |= threads_here() if pool is None else pool.facts()
            work = partial(self._work, function, step, notes, pool)
            self._settings.store.get_or_make(step, work, notes, self._stop.check)
        except MissingPrerequisite as error:
            if step.stage not in ("features", "sanity"):
                self._stop.ask()
                raise
            self._lacking[step.key] = str(error)
        except BaseException:
            self._stop.ask()  # steps beside this one need not wait for other processes
            raise
        finally:
            self._settings.watcher.end(step)

    def _work(
        self,
        function: StageFunction,
        step: Step,
        notes: dict[str, Any],
        pool: WorkerPool | None,
        folder: Path,
    ) -> None:
        settings, store = self._settings, self._settings.store
        takes = "nothing" if pool is None else pool.takes(step.stage)
        context = StageContext(
            folder,
            {part: store.folder(self._by_key[key]) for part, key in step.reads.items()},
            self._device,
            partial(self._report, step),
            settings.batch,
            settings.processes(self._device),
            logs=store.logs,
            notes=notes,
            rows=store.rows,
            pool=None if takes == "nothing" else pool,
            alongside=self._of_the_same_images(step),
        )
        require_as_planned(step)
        if takes == "whole":
            delegate(step.stage, step.spec, context)
        else:
            function(step.spec, context)
        if commits := commits_in(step.spec):
            notes[WEIGHTS] = commits
        if engine := engine_in(step.spec, self._device):
            notes[ENGINE] = engine
        require_as_planned(step)

    def _report(self, step: Step, progress: Progress) -> None:
        self._settings.watcher.progress(step, progress)
        if progress.facts:
            self._settings.store.log(step, progress.facts)
        if progress.alerts:
            said = {"step": progress.done, "alerts": list(progress.alerts)}
            self._settings.store.log(step, said)
        self._stop.check()

    def _of_the_same_images(self, step: Step) -> tuple[Page, ...]:
        """Return the specs of features steps to come that read the images of this one."""
        return tuple(
            each.spec
            for each in self._steps
            if each.stage == step.stage == "features"
            and each.key != step.key
            and each.inputs == step.inputs
            and not self._settings.store.has(each)
        )


def _cuda_has_started() -> bool:
    """Return whether CUDA runs in this process: then a variable comes too late, and training, which
    needs it to have been there, must not find it."""
    torch = sys.modules.get("torch")
    return torch is not None and torch.cuda.is_initialized()


class Stop:
    """Ctrl-C, remembered: an interrupt that a library's callback swallows still stops the run."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen to Ctrl-C while the block runs; in another than the main thread, do nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, self._interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def ask(self) -> None:
        self._asked.set()

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self.ask()
        raise KeyboardInterrupt

    def check(self) -> None:
        if self._asked.is_set():
            raise KeyboardInterrupt
