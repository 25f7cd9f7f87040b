"""The learning rate of every optimizer step; knows no network library."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.pages.train import Phase, Train


def phase_of(train: Train, step: int) -> tuple[int, int]:
    """Return the number of the phase that `step` (from 0) falls into, and the step within it."""
    phase_step = step
    for index, phase in enumerate(train.phases):
        if phase_step < phase.steps:
            return index, phase_step
        phase_step -= phase.steps
    raise IndexError(f"step {step} lies behind the last phase")


def multiplier(phase: Phase, phase_step: int, stretch: float = 1) -> float:
    """Return what the phase's rate is multiplied by at its step `phase_step`, from 0.

    A falling schedule reaches its floor at `phase_step == steps`, as in the official scripts: the
    last step that is executed is one before it, within (π/2 / steps)² of zero for a cosine.
    `stretch` > 1 makes warm-up and decay that much longer: the legacy diffusers unit.
    """
    warmup, total = phase.warmup * stretch, phase.steps * stretch
    if phase_step < warmup:
        return phase_step / warmup
    if phase.schedule == "constant":
        return 1.0
    done = min(1.0, (phase_step - warmup) / (total - warmup))
    return phase.floor + (1 - phase.floor) * max(0.0, _remaining(phase, done))


def _remaining(phase: Phase, done: float) -> float:
    """Return what is left of a falling rate once the share `done` of its way is gone."""
    match phase.schedule:
        case "linear":
            return 1 - done
        case "cosine":
            return 0.5 * (1 + math.cos(math.pi * done))
        case "cosine-restarts":  # SGDR with cycles of one length (arXiv:1608.03983)
            return 0.5 * (1 + math.cos(math.pi * (phase.cycles * done % 1))) if done < 1 else 0.0
        case "polynomial":
            return math.pow(1 - done, phase.power)
        case "rex":  # arXiv:2107.04197
            return (1 - done) / (1 - done / 2)
    return 1.0


def multiplier_at(train: Train, step: int) -> tuple[int, float]:
    """Return the phase and the rate's multiplier at an optimizer step of the whole run."""
    index, phase_step = phase_of(train, step)
    legacy = train.lr_schedule_unit == "diffusers-legacy"
    stretch = train.accumulation / train.processes if legacy else 1
    return index, multiplier(train.phases[index], phase_step, stretch)


def rates(train: Train) -> list[tuple[str, int, float]]:
    """Return the UNet's rate at 0, 25, 50, 75 and 100 % of the run, with the step.

    100 % is the last step that is executed: after a cosine it shows as good as nothing.
    """
    marks = [round(share * (train.steps - 1)) for share in (0, 0.25, 0.5, 0.75, 1)]
    rates_at = []
    for name, step in zip(("0%", "25%", "50%", "75%", "100%"), marks, strict=True):
        index, factor = multiplier_at(train, step)
        rates_at.append((name, step, train.phases[index].rate * factor))
    return rates_at


def rates_up_to(train: Train, phase_sets: Sequence[int], marks: Sequence[int]) -> list[list[float]]:
    """Return for each set the rates of the steps that trained on it, added up between `marks`.

    A mark is a number of steps that are done; the last one is the end of training.
    """
    sums = [[0.0] * len(marks) for _ in range(max(phase_sets) + 1)]
    at = 0
    for step in range(train.steps):
        at += step >= marks[at]
        phase, factor = multiplier_at(train, step)
        sums[phase_sets[phase]][at] += train.phases[phase].rate * factor
    return sums
