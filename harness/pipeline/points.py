"""One recipe → a plan for every strength of its adapter, or for every checkpoint that it keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.errors import UsageError
from harness.pages.benchmark import Judgement
from harness.pages.recipe import Recipe
from harness.pipeline.plan import RunPlan, plan


def at_strengths(
    recipe: Recipe, judgement: Judgement, strengths: Sequence[float]
) -> list[tuple[float, RunPlan]]:
    """Return a plan for every strength of the recipe's adapter."""
    if recipe.train is None and (recipe.load is None or recipe.load.model is not None):
        raise UsageError(f"{recipe.name} has no adapter", hint="a strength is an adapter's")
    if recipe.train is not None and recipe.train.method != "lora":
        raise UsageError(
            f"{recipe.name} trains the whole model, at one strength",
            hint="sweep an adapter, or --over checkpoint",
        )
    variants = []
    for strength in strengths:
        sampler = judgement.sampler.model_copy(update={"adapter_scale": strength})
        benchmark = judgement.benchmark.model_copy(update={"sampler": sampler})
        whole = plan(recipe, replace(judgement, benchmark=benchmark))
        variants.append((strength, replace(whole, recipe=f"strength-{strength:g}")))
    return variants


def at_checkpoints(recipe: Recipe, judgement: Judgement) -> list[tuple[float, RunPlan]]:
    """Return a plan for every checkpoint that the recipe keeps, and for its end."""
    every = recipe.train.checkpoint_every if recipe.train else None
    if recipe.train is None or every is None:
        raise UsageError(f"{recipe.name} keeps no checkpoints", hint="give it checkpoint_every")
    steps = [*range(every, recipe.train.steps, every), recipe.train.steps]
    return [
        (
            step,
            replace(
                plan(recipe, judgement, step if step < recipe.train.steps else None),
                recipe=f"step-{step}",
            ),
        )
        for step in steps
    ]
