"""Training by our loop: LoRAs at 1024 px, and two recipes as their pages have them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from card import trial
from card.figures import Context, Figure, attempt, missing
from card.machine import has
from card.profile import profiled
from card.waits import counted
from harness.pages.train import Train
from harness.training.specs import AdamW

PART = "training"
BATCHES = ((4, 2), (1, 8), (8, 1), (1, 1))
"""Micro-batch × accumulation."""
FIRST = (
    "r16-bf16-4x2",
    "r16-bf16-1x8",
    "r16-bf16-1x1",
    "r16-bf16-8x1",
    "r64-bf16-4x2",
    "r16-fp16-4x2",
    "r16-bf16-4x2-checkpointed",
)
"""The cases that come before the recipes; all others come after."""
DRY = ("r16-bf16-4x2", "r16-fp16-1x1-checkpointed")
COMPILED = ("r16-bf16-4x2", "r16-bf16-1x1")
PROFILED = COMPILED
CASE, COMPILED_CASE = 12.0, 40.0
"""Seconds that a case may need at the least."""


def figures(context: Context) -> Iterator[Figure]:
    """Measure the cases in the order of their worth."""
    every = cases(context)
    chosen = DRY if context.is_dry else FIRST
    for name in chosen:
        yield from _case(context, name, every[name])
    yield from attempt(context, PART, "launch", lambda: _launch(context), CASE)
    yield from attempt(context, PART, "naruto-256", lambda: _naruto(context), CASE)
    yield from attempt(context, PART, "dreambooth", lambda: _dreambooth(context), CASE)
    if context.is_dry:
        return
    for name in COMPILED:
        train = every[name].model_copy(update={"compile": True})
        yield from _case(context, f"{name}-compiled", train, COMPILED_CASE)
    for name, train in every.items():
        if name not in chosen:
            yield from _case(context, name, train)


def cases(context: Context) -> dict[str, Train]:
    """Return every case by its name: rank, precision, batch × accumulation."""
    named: dict[str, Train] = {}
    for rank, precision, (batch, accumulation), is_checkpointed in product(
        (16, 64), ("bf16", "fp16"), BATCHES, (False, True)
    ):
        name = f"r{rank}-{precision}-{batch}x{accumulation}"
        changes: dict[str, Any] = {
            "adapter": {"rank": rank},
            "precision": precision,
            "batch": batch,
            "accumulation": accumulation,
            "gradient_checkpointing": is_checkpointed,
        }
        named[name + "-checkpointed" * is_checkpointed] = trial.lora(context, **changes)
    return named


def _case(context: Context, name: str, train: Train, needs: float = CASE) -> Iterator[Figure]:
    yield from attempt(context, PART, name, lambda: _speed(context, name, train), needs)


def _speed(context: Context, name: str, train: Train) -> Iterator[Figure]:
    run = trial.begun(context, train)
    times = trial.timed(context, run)
    figure = trial.speed_figure(context, PART, name, run, times, "", forecasts=not train.compile)
    yield figure
    if name in PROFILED:
        yield from counted(context, PART, f"{name}-waits", lambda: trial.advance(run))
    if name in PROFILED or figure.facts["missed"]:
        yield from profiled(context, PART, f"{name}-busy", lambda: trial.advance(run))


def _launch(context: Context) -> Iterator[Figure]:
    """Time steps on pictures so small that only starting the kernels counts."""
    run = trial.begun(context, trial.lora(context, resolution=64))
    times = trial.timed(context, run)
    passes = 3  # one forward, and a backward as long as two, as the forecast has it
    seconds = sorted(times)[len(times) // 2] / passes
    facts = {"step_seconds": seconds * passes, "forecast": {"launch_seconds": seconds}}
    yield Figure(PART, "launch", seconds, "s a forward pass", facts)


def _naruto(context: Context) -> Iterator[Figure]:
    """Measure recipe naruto-256 as its page has it, and without gradient checkpointing."""
    changes: dict[str, Any] = {}
    note = "12 × 8, as its page has it"
    if context.is_dry or not has("bitsandbytes"):
        changes["optimizer"] = AdamW(use="adamw")
        note += ", but AdamW for 8-bit AdamW"
    train = trial.of_recipe(context, "naruto-256", **changes)
    yield from trial.speed(context, PART, "naruto-256", train, note)
    open_ = train.model_copy(update={"gradient_checkpointing": False})
    yield from attempt(
        context,
        PART,
        "naruto-256-open",
        lambda: trial.speed(context, PART, "naruto-256-open", open_, "nothing is recomputed"),
        CASE,
    )


def _dreambooth(context: Context) -> Iterator[Figure]:
    if not has("prodigyopt"):
        yield missing(PART, "dreambooth", "skipped: prodigyopt is not here")
        return
    train = trial.of_recipe(context, "naruto-dreambooth-prodigy")
    note = "both text encoders, Prodigy, class images"
    yield from trial.speed(context, PART, "dreambooth", train, note)
