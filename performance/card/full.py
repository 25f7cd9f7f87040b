"""The full fine-tune of recipe animeboys-xl, at the batch that each of its cards has."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from card import trial
from card.figures import Context, Figure, attempt, missing
from harness.diffusion.memory import memory_of
from harness.pages.train import Train

PART = "full"
CASE = 15.0


def figures(context: Context) -> Iterator[Figure]:
    """Measure one card's share of a step: 8 batches of 4, UNet and text encoders in fp32."""
    train = trial.of_recipe(context, "animeboys-xl", processes=1)
    open_ = train.model_copy(update={"gradient_checkpointing": False})
    for name, each in (("animeboys-xl", train), ("animeboys-xl-open", open_)):
        yield from attempt(context, PART, name, lambda n=name, t=each: _speed(context, n, t), CASE)


def _speed(context: Context, name: str, train: Train) -> Iterator[Figure]:
    if context.device != "cpu":
        needed = memory_of(train, str(context.base)).peak(1)
        there = torch.cuda.get_device_properties(0).total_memory
        if needed > there:
            reason = f"skipped: needs {needed / 1e9:.0f} GB, the card has {there / 1e9:.0f}"
            yield missing(PART, name, reason)
            return
    yield from trial.speed(context, PART, name, train, "one card's share of its step")
