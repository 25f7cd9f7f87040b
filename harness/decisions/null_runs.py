"""Runs of a recipe that should be equal: drawn with other seeds, or trained with other seeds.

What lies between them is noise, and a rule that tells them apart raises a false alarm.
"""

from __future__ import annotations

from dataclasses import replace

from harness.errors import UsageError
from harness.pages.benchmark import Judgement
from harness.pages.recipe import Recipe
from harness.pipeline.plan import RunPlan, plan

SUBFOLDER = "null"
FIRST = 1000
"""Where sampling seeds begin that no benchmark draws with."""


def resampled(recipe: Recipe, judgement: Judgement, count: int) -> list[RunPlan]:
    """Return plans of one training under the benchmark's own sampling seeds and under others."""
    bare, own = alone(judgement), judgement.benchmark.seeds
    starts = [FIRST + number * len(own) for number in range(count - 1)]
    sets = [own, *(tuple(range(start, start + len(own))) for start in starts)]
    return [
        _named(
            plan(recipe, _with_seeds(bare, seeds), base_seeds=own), f"{recipe.name}.draw{number}"
        )
        for number, seeds in enumerate(sets[:count])
    ]


def retrained(recipe: Recipe, judgement: Judgement, count: int) -> list[RunPlan]:
    """Return plans of several trainings under the benchmark's own sampling seeds."""
    if count == 0:
        return []
    if recipe.train is None:
        raise UsageError(f"{recipe.name} trains nothing", hint="--trainings 0 measures draws alone")
    bare, first = alone(judgement), recipe.train.seed
    return [
        _named(plan(recipe.with_seed(first + number), bare), f"{recipe.name}.seed{first + number}")
        for number in range(count)
    ]


def alone(judgement: Judgement) -> Judgement:
    """Return the part of a benchmark that looks at the sample and at what all runs share.

    These are real pictures, and the base's of one set of seeds, as pictures in no style. Nothing
    else is drawn for runs that are only there to be compared with each other.
    """
    drawn = {"base", "bare", "bare-base", "captions"}
    kept = tuple(
        metric
        for metric in judgement.metrics
        if metric.judges == "sample" and not drawn & {*metric.reads}
    )
    shared = any({"decoys", "base"} & {*metric.reads, *metric.may_read} for metric in kept)
    base = judgement.benchmark.base and shared
    changes = {"metrics": kept, "base": base, "leakage": None, "extraction": None}
    return replace(
        judgement,
        benchmark=judgement.benchmark.model_copy(update=changes),
        leakage=(),
        extraction=(),
    )


def _with_seeds(judgement: Judgement, seeds: tuple[int, ...]) -> Judgement:
    changed = judgement.benchmark.model_copy(update={"seeds": seeds})
    return replace(judgement, benchmark=changed)


def _named(whole: RunPlan, name: str) -> RunPlan:
    return replace(whole, recipe=name)
