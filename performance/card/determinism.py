"""Whether equal runs end in equal bytes, in the default mode and in the deterministic one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from card import trial
from card.figures import Context, Figure, attempt, missing
from harness.pages.train import Train
from harness.training.training_run import TrainingRun, save

PART = "determinism"
BATCH = 4
CASE = 10.0
Weights = Mapping[str, Tensor]


def figures(context: Context) -> Iterator[Figure]:
    """Compare equal runs; say what the deterministic mode costs, and kill and resume in it."""
    default = trial.lora(context, batch=BATCH)
    yield from attempt(
        context, PART, "default", lambda: _compared(context, "default", default), CASE
    )
    if "deterministic" not in Train.model_fields:
        reason = "skipped: train.deterministic is not there yet"
        yield missing(PART, "deterministic", reason)
        return
    exact = default.model_copy(update={"deterministic": True})
    yield from attempt(context, PART, "deterministic", lambda: _exact(context, exact), CASE)


def steps(context: Context) -> int:
    return 4 if context.is_dry else 20


def _compared(context: Context, name: str, train: Train) -> Iterator[Figure]:
    """Run twice and count the tensors that differ."""
    first, seconds = _weights(context, train)
    second, again = _weights(context, train)
    yield _difference(context, name, first, second)
    speed = BATCH / min(seconds, again)
    yield Figure(PART, f"{name}-speed", speed, "images/s", {"seconds": [seconds, again]})


def _exact(context: Context, train: Train) -> Iterator[Figure]:
    """Run twice and once with a kill in the middle; compare all, and the speed with the default."""
    first, seconds = _weights(context, train)
    second, again = _weights(context, train)
    yield _difference(context, "deterministic", first, second)
    speed, default = BATCH / min(seconds, again), context.value(PART, "default-speed")
    facts = {"seconds": [seconds, again]}
    yield Figure(PART, "deterministic-speed", speed, "images/s", facts)
    if default:
        note = "time of a step over that of the default mode"
        yield Figure(PART, "cost", default / speed, "×", {"note": note})
    resumed = _killed(context, train)
    yield _difference(context, "killed-and-resumed", first, resumed)


def _weights(context: Context, train: Train) -> tuple[Weights, float]:
    """Return the trained weights of a whole run, and the median seconds of its later steps."""
    run = trial.begun(context, train)
    times = [context.seconds(lambda: trial.advance(run)) for _ in range(steps(context))]
    later = sorted(times[len(times) // 2 :])
    return _copied(run), later[len(later) // 2]


def _killed(context: Context, train: Train) -> Weights:
    """Return the weights of a run whose second half goes on from the state of its first."""
    folder = context.folder / "killed"
    shutil.rmtree(folder, ignore_errors=True)
    half = steps(context) // 2
    run = trial.begun(context, train, "killed")
    for _ in range(half):
        trial.advance(run)
    save(run)
    del run
    context.release()
    resumed = trial.begun(context, train, "killed")
    if resumed.step != half:
        raise RuntimeError(f"the run went on at step {resumed.step} and not at {half}")
    for _ in range(half):
        trial.advance(resumed)
    return _copied(resumed)


def _copied(run: TrainingRun) -> Weights:
    return {name: value.detach().cpu().clone() for name, value in run.models.tensors.items()}


def _difference(context: Context, name: str, first: Weights, second: Weights) -> Figure:
    unlike = [key for key, value in first.items() if not torch.equal(value, second[key])]
    largest = max(
        (float((first[key] - second[key]).abs().max()) for key in first), default=float("nan")
    )
    facts = {
        "of": len(first),
        "steps": steps(context),
        "largest": largest,
        "note": f"of {len(first)} after {steps(context)} steps",
    }
    return Figure(PART, name, float(len(unlike)), "tensors differ", facts)
