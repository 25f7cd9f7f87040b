"""The learning rate of every optimizer step; knows no network library."""

from __future__ import annotations

import math

from harness.recipe import Phase, Train


def phase_of(train: Train, step: int) -> tuple[int, int]:
    """Return the number of the phase that `step` (from 0) falls into, and its place there."""
    place = step
    for index, phase in enumerate(train.phases):
        if place < phase.steps:
            return index, place
        place -= phase.steps
    raise IndexError(f"step {step} lies behind the last phase")


def multiplier(phase: Phase, place: int, stretch: int = 1) -> float:
    """Return what the phase's rate is multiplied by at its step `place`.

    `stretch` > 1 makes warm-up and decay that much longer: the legacy diffusers unit.
    """
    warmup, total = phase.warmup * stretch, phase.steps * stretch
    if place < warmup:
        return place / max(1, warmup)
    done = (place - warmup) / max(1, total - warmup)
    if phase.schedule == "cosine":
        return max(0.0, 0.5 * (1 + math.cos(math.pi * done)))
    return max(0.0, 1 - done) if phase.schedule == "linear" else 1.0


def multiplier_at(train: Train, step: int) -> tuple[int, float]:
    """Return the phase and the rate's multiplier at an optimizer step of the whole run."""
    index, place = phase_of(train, step)
    legacy = train.lr_schedule_unit == "diffusers-legacy"
    stretch = train.accumulation if legacy else 1
    return index, multiplier(train.phases[index], place, stretch)


def rates(train: Train) -> list[tuple[str, int, float]]:
    """Return the UNet's rate at 0, 25, 50, 75 and 100 % of the run, with the step."""
    marks = [round(share * (train.steps - 1)) for share in (0, 0.25, 0.5, 0.75, 1)]
    found = []
    for name, step in zip(("0%", "25%", "50%", "75%", "100%"), marks, strict=True):
        index, factor = multiplier_at(train, step)
        found.append((name, step, train.phases[index].rate * factor))
    return found
