"""Forecast the time, memory and disk of a plan on a GPU, and whether it fits there; pure.

Every missing step adds its seconds and its disk. Of memory the largest step counts, since the
stages load their models one after another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from harness.interfaces import StageContext
from harness.pages.recipe import Recipe
from harness.pipeline.forecast.costs import Cost, cost_of, pictures_of
from harness.pipeline.forecast.gpus import GB, Gpu, gpu_for
from harness.pipeline.forecast.scale import Scale
from harness.pipeline.plan import RunPlan
from harness.pipeline.toy_base import HINT, toy_base
from harness.pocket import is_pocket
from harness.records import Step
from harness.training.schedules import rates

STARTS = {True: 8, False: 60}
"""Seconds to load the models: of the pocket world, and real ones."""


@dataclass(frozen=True)
class Forecast:
    """The sum over the missing steps."""

    card: str
    optimizer_steps: int
    images: int
    seconds: int
    step_seconds: float | None
    """Seconds of an optimizer step; None if no training is missing."""
    samples_per_pass: int | None
    memory_gb: float
    card_gb: float
    disk_gb: float
    fits: bool
    complaints: tuple[str, ...]
    """Why the plan does not run there, and what to do."""
    basis: str

    def as_json(self) -> dict[str, object]:
        return asdict(self) | {"complaints": list(self.complaints)}


def forecast(
    recipe: Recipe,
    steps: Sequence[Step],
    to_do: Sequence[Step],
    gpu: Gpu | None = None,
    batch: int = StageContext.batch,
) -> Forecast:
    """Forecast `to_do`, the missing ones of `steps`, on `gpu` or else the recipe's own; `batch`
    images are drawn together."""
    gpu = gpu or gpu_for(recipe)
    sizes = {step.key: size for step in steps if (size := pictures_of(step)) is not None}
    costs = [cost_of(step, recipe, sizes, gpu, batch) for step in to_do]
    trained = next((cost for cost in costs if cost.step_seconds is not None), Cost())
    complaints = tuple(dict.fromkeys(each for cost in costs for each in cost.complaints))
    start = STARTS[is_pocket(recipe.base.model)] if to_do else 0
    return Forecast(
        card=gpu.name,
        optimizer_steps=sum(cost.optimizer_steps for cost in costs),
        images=sum(cost.images for cost in costs),
        seconds=round(start + sum(cost.seconds for cost in costs)),
        step_seconds=None if trained.step_seconds is None else round(trained.step_seconds, 3),
        samples_per_pass=trained.samples_per_pass,
        memory_gb=round(max((cost.memory for cost in costs), default=0) / GB, 1),
        card_gb=round(gpu.memory / GB, 1),
        disk_gb=round(sum(cost.disk for cost in costs) / GB, 3),
        fits=not complaints,
        complaints=complaints,
        basis=_basis(gpu, costs),
    )


def _basis(gpu: Gpu, costs: Sequence[Cost]) -> str:
    speed = f"one {gpu.title}: speed {gpu.basis}; memory and disk counted"
    uncounted = [cost.uncounted for cost in costs if cost.uncounted]
    return "; ".join(dict.fromkeys([speed, *uncounted]))


@dataclass(frozen=True)
class Planned:
    """A plan beside the store: the finished steps, the missing ones, and their forecast."""

    plan: RunPlan
    recipe: Recipe
    to_do: tuple[Step, ...]
    forecast: Forecast
    done: frozenset[str]
    scales: tuple[Scale, ...] = ()
    """The whole plan on several numbers of GPUs, if the caller asked for that."""
    checkpoints: tuple[Step, ...] = ()
    """The steps that judge each checkpoint by itself, and that are still to be made; they are in
    the forecast."""

    @property
    def cautions(self) -> tuple[str, ...]:
        """Return what to expect of the run that its author may not."""
        said = toy_base(self.recipe)
        return (f"the base {said} ({HINT})",) if said else ()

    def as_json(self) -> dict[str, Any]:
        steps = [
            {
                "stage": step.stage,
                "name": step.name,
                "key": step.key,
                "done": step.key in self.done,
            }
            for step in self.plan.steps
        ]
        return {
            "recipe": self.plan.recipe,
            "benchmark": self.plan.judgement.benchmark.name,
            "signature": self.plan.signature,
            "steps": steps,
            "data": self.plan.data(),
            "rates": self._rates(),
            "cautions": list(self.cautions),
            "forecast": self.forecast.as_json() | self._scale(),
            **self._checkpoints(),
        }

    def _checkpoints(self) -> dict[str, object]:
        return {"checkpoint_steps": len(self.checkpoints)} if self.checkpoints else {}

    def _scale(self) -> dict[str, object]:
        return {"scale": [each.as_json() for each in self.scales]} if self.scales else {}

    def _rates(self) -> list[dict[str, object]]:
        """Return the UNet's rate at 0, 25, 50, 75 and 100 % of training."""
        marks = rates(self.recipe.train) if self.recipe.train else []
        return [{"at": mark, "step": step, "rate": rate} for mark, step, rate in marks]
