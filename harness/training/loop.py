"""The training loop: from encoded sets to trained weights, resumable at any optimizer step.

A run that was killed goes on from its last state, bit for bit as if it had not been killed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from harness.diffusion.load import fp32_rounding
from harness.errors import TrainingError
from harness.interfaces import Progress, StageContext
from harness.pages.stages import TrainSpec
from harness.training.compilation import compile_blocks
from harness.training.determinism import promise
from harness.training.journal import Log, Tracker, peak_memory_mb
from harness.training.previews import draw_previews
from harness.training.sets import EncodedSet
from harness.training.step import one_step
from harness.training.team import Team
from harness.training.trained_models import TrainedModels, keep
from harness.training.training_run import TrainingRun, begin, restore, save
from harness.training.validation import Watch, Watched, watch_of

SECONDS_BETWEEN_STATES = 20.0
SHARE_OF_STATES = 0.05
"""The largest share of the time that goes into writing states."""


def train(
    spec: TrainSpec,
    sets: Sequence[EncodedSet],
    class_set: EncodedSet | None,
    models: TrainedModels,
    team: Team,
    context: StageContext,
    watched: Watched | None = None,
) -> None:
    """Train to the last step of the last phase, from the state in the folder if there is one.

    The loss probe looks at the pictures that are `watched`.
    """
    compile_blocks(models)
    run = begin(spec, sets, class_set, models, team, context)
    context.notes["samples_per_pass"] = run.objective.most
    restore(run)
    journal = Log(context.folder / "log.jsonl", run.step) if team.leads else None
    logs = context.logs if team.leads else None
    tracker = Tracker(spec.train, logs, context.folder.name, context.device)
    watch = watch_of(run, watched)
    with closing(run.reader), _telling(run):
        _take_steps(run, journal, tracker, watch)
    if journal is not None:
        journal.close()
    with run.exported_weights():
        keep(models, spec, context.folder, team.leads)
    tracker.close()
    context.notes.update(_facts(run))
    team.wait()


def _take_steps(
    run: TrainingRun, journal: Log | None, tracker: Tracker, watch: Watch | None
) -> None:
    """Take all steps that are left; write checkpoints and, now and then, the state."""
    timer = _StateTimer()
    _look(run, tracker, watch)
    while run.step < run.spec.train.steps:
        began = time.perf_counter()
        facts = one_step(run)
        run.step += 1
        if journal is not None:
            journal.add(facts)
            seconds = time.perf_counter() - began
            _report(run, journal, tracker, facts, seconds, watch.said if watch else "")
        _look(run, tracker, watch)
        every = run.spec.train.checkpoint_every
        is_checkpoint = every is not None and run.step % every == 0
        if is_checkpoint:
            _write_checkpoint(run)
        if is_checkpoint or run.team.gather(timer.is_due())[0]:  # the first process decides
            if journal is not None:
                journal.settle()
            with timer.writing():
                save(run)


def _look(run: TrainingRun, tracker: Tracker, watch: Watch | None) -> None:
    """Let the loss probe look where it is due; with sharded weights all processes must compute."""
    if watch is None or run.step % watch.looks.every or not (run.team.leads or run.is_sharded):
        return
    is_due = watch.is_due(run.step)
    if not (run.team.gather(is_due)[0] if run.is_sharded else is_due):
        return
    with run.clock.on("validation"):
        facts, alerts = watch.look(run)
    if run.team.leads:
        total = run.spec.train.steps
        run.context.report(Progress(run.step, total, watch.said, facts, tuple(alerts)))
        tracker.add(facts, run.step)


@contextmanager
def _telling(run: TrainingRun) -> Iterator[None]:
    """Tell of an error that ends the training before it does, so that an alert can be sent."""
    try:
        yield
    except TrainingError as error:
        if run.team.leads:
            run.context.report(Progress(run.step, run.spec.train.steps, alerts=(error.what,)))
        raise


class _StateTimer:
    """Says when to write a state: more rarely if writing takes long."""

    def __init__(self) -> None:
        self._last, self._pause = time.monotonic(), SECONDS_BETWEEN_STATES

    def is_due(self) -> bool:
        return time.monotonic() - self._last > self._pause

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Time the block, which writes a state."""
        began = time.monotonic()
        yield
        self._last = time.monotonic()
        self._pause = max(SECONDS_BETWEEN_STATES, (self._last - began) / SHARE_OF_STATES)


def _write_checkpoint(run: TrainingRun) -> None:
    folder = run.context.folder / "checkpoints" / f"{run.step:06d}"
    with run.exported_weights():
        keep(run.models, run.spec, folder, run.team.leads)
        if run.spec.train.previews:
            _draw_previews(run, folder)


def _draw_previews(run: TrainingRun, folder: Path) -> None:
    """Draw in the first process; with sharded weights all processes must draw, for one folder."""
    if run.team.leads:
        draw_previews(run.models, run.spec, folder)
    elif run.is_sharded:
        with TemporaryDirectory() as unused:
            draw_previews(run.models, run.spec, Path(unused))


def _report(
    run: TrainingRun,
    journal: Log,
    tracker: Tracker,
    facts: Mapping[str, Any],
    seconds: float,
    said: str,
) -> None:
    timing = {
        "seconds": round(seconds, 4),
        "images_per_second": round(run.spec.train.effective_batch / seconds, 2),
        "memory_mb": peak_memory_mb(run.context.device),
    }
    recent = float(np.mean(journal.losses[-25:]))
    total = run.spec.train.steps
    note = ", ".join(filter(None, [f"loss {recent:.4f}", said]))
    run.context.report(Progress(run.step, total, note, {**facts, **timing}))
    tracker.add({**facts, **timing}, run.step)


def _facts(run: TrainingRun) -> dict[str, Any]:
    """Return what the provenance says of the run."""
    device = run.context.device
    return {
        "world_size": run.team.size,
        "sharded": run.is_sharded,
        "effective_batch": run.spec.train.effective_batch,
        "samples_per_pass": run.objective.most,
        "determinism": promise(run.spec.train, device),
        **({"fp32": rounding} if (rounding := fp32_rounding(device)) else {}),
        "peak_memory_mb": peak_memory_mb(device),
        "overflows": run.scale.overflows,
        "time_split": {name: round(value, 3) for name, value in run.clock.spent.items()},
    }
