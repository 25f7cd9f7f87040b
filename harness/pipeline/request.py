"""What a person asks for, read once: a recipe or one of its checkpoints, under a benchmark."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import UsageError
from harness.pages import benchmark as benchmarks
from harness.pages import recipe as recipes
from harness.pages.benchmark import Judgement
from harness.pages.defaults import default_benchmark
from harness.pages.recipe import Recipe
from harness.pipeline.plan import RunPlan, plan

Named = str | Path | Recipe
"""A recipe, or the name or file of one; `NAME@STEP` is its checkpoint at that step."""


@dataclass(frozen=True)
class Request:
    """A recipe or one of its checkpoints, and the benchmark that judges it."""

    recipe: Recipe
    judgement: Judgement
    checkpoint: int | None = None
    """The step of the checkpoint; None for the end of training."""

    @property
    def name(self) -> str:
        """Return the name of its result."""
        if self.checkpoint is None:
            return self.recipe.name
        return f"{self.recipe.name}.step{self.checkpoint}"

    @property
    def judges_checkpoints(self) -> bool:
        """Return whether each checkpoint is judged by itself after the end of training."""
        return self.recipe.judge == "checkpoints" and self.checkpoint is None

    def plan(self) -> RunPlan:
        """Return its steps."""
        return plan(self.recipe, self.judgement, self.checkpoint)

    def replicates(self, count: int) -> list[Request]:
        """Return the request once for each of `count` training seeds."""
        if count < 1:
            raise UsageError(f"--replicates {count} is not a number of runs", hint="1 or more")
        train = self.recipe.train
        if count == 1 or train is None:
            return [self]
        return [self._seeded(train.seed + number) for number in range(count)]

    def _seeded(self, seed: int) -> Request:
        name = {"name": f"{self.recipe.name}.seed{seed}"}
        return replace(self, recipe=self.recipe.with_seed(seed).model_copy(update=name))


def requested(
    recipe: Named, benchmark: str | Path | None = None, deterministic: bool = False
) -> Request:
    """Return the request that a recipe's name, file or `NAME@STEP` stands for.

    `deterministic` sets `train.deterministic` on the recipe.
    """
    page, checkpoint = read_recipe(recipe)
    page = page.made_deterministic() if deterministic else page
    judgement = benchmarks.load(benchmark or default_benchmark(page))
    return Request(page, judgement, checkpoint)


def read_recipe(recipe: Named) -> tuple[Recipe, int | None]:
    """Return a recipe, and the checkpoint where `NAME@STEP` asks for one."""
    if isinstance(recipe, Recipe):
        return recipe, None
    words = str(recipe)
    name, at, step = words.rpartition("@")
    if not at or Path(words).exists():
        return recipes.load(words), None
    page = recipes.load(name)
    every = page.train.checkpoint_every if page.train else None
    if page.train is None or every is None:
        raise UsageError(f"{name} keeps no checkpoints", hint="give it train.checkpoint_every")
    if not step.isdecimal() or not 0 < int(step) <= page.train.steps or int(step) % every:
        raise UsageError(
            f"{name} has no checkpoint {step!r}",
            hint=f"it keeps one every {every} steps up to {page.train.steps}",
        )
    return page, int(step)
