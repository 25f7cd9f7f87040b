"""Whether equal runs end in equal bytes, in the default mode and in the deterministic one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from card import trial
from card.figures import Context, Figure, attempt
from harness.pages.train import Train
from harness.training.determinism import repeatable
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
    exact = default.model_copy(update={"deterministic": True})
    yield from attempt(context, PART, "deterministic", lambda: _exact(context, exact), CASE)


def steps(context: Context) -> int:
    """Return the optimizer steps of each run."""
    return 2 if context.is_dry else 20


def _compared(context: Context, name: str, train: Train) -> Iterator[Figure]:
    """Run twice and count the tensors that differ."""
    first, seconds = weights_of(context, train, steps(context))
    second, again = weights_of(context, train, steps(context))
    yield _difference(context, name, first, second)
    speed = BATCH / min(seconds, again)
    yield Figure(PART, f"{name}-speed", speed, "images/s", {"seconds": [seconds, again]})


def _exact(context: Context, train: Train) -> Iterator[Figure]:
    """Run twice and once with a kill in the middle; compare all, and the speed with the default."""
    first, seconds = weights_of(context, train, steps(context))
    second, again = weights_of(context, train, steps(context))
    yield _difference(context, "deterministic", first, second)
    speed, default = BATCH / min(seconds, again), context.value(PART, "default-speed")
    facts = {"seconds": [seconds, again]}
    yield Figure(PART, "deterministic-speed", speed, "images/s", facts)
    if default:
        note = "time of a step over that of the default mode"
        yield Figure(PART, "cost", default / speed, "×", {"note": note})
    resumed, step = _killed(context, train)
    if step != steps(context):
        raise RuntimeError(f"the run went on from its start: it ended at step {step}")
    yield _difference(context, "killed-and-resumed", first, resumed)


def weights_of(context: Context, train: Train, count: int) -> tuple[Weights, float]:
    """Return the trained weights after `count` steps, and the median seconds of the later ones."""
    with repeatable(train):
        run = trial.begun(context, train)
        times = [context.seconds(lambda: trial.advance(run)) for _ in range(count)]
    later = sorted(times[len(times) // 2 :])
    return _copied(run), later[len(later) // 2]


def _killed(context: Context, train: Train) -> tuple[Weights, int]:
    """Return the weights of a run whose second half goes on from the state of its first."""
    folder = context.folder / "killed"
    shutil.rmtree(folder, ignore_errors=True)
    half = steps(context) // 2
    with repeatable(train):
        run = _half(context, train, half)
        save(run)
        del run
        context.release()
        resumed = _half(context, train, half)
        return _copied(resumed), resumed.step


def _half(context: Context, train: Train, count: int) -> TrainingRun:
    """Begin, or go on from the state that the run has, and take some steps."""
    run = trial.begun(context, train, "killed")
    for _ in range(count):
        trial.advance(run)
    return run


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
