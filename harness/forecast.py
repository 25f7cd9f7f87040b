"""What a plan will cost, from counted work and a named speed; pure, and rough on purpose."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from harness.plan import RunPlan
from harness.pocket import is_pocket
from harness.recipe import Recipe
from harness.records import Step
from harness.steps import SampleSpec, TrainSpec


@dataclass(frozen=True)
class Costs:
    """What one unit of work costs on the machine that `basis` names."""

    train_sample: float
    """Seconds a training sample at the base's own size."""
    sample_step: float
    """Seconds a sampler step of one image, both guidance passes."""
    start: float
    memory_gb: float
    adapter_mb: float
    image_mb: float
    native: int
    basis: str


POCKET = Costs(
    0.012, 0.008, 8, 1.6, 1, 0.01, 64, "two CPU cores; times measured, memory and disk estimated"
)
SDXL = Costs(0.9, 0.21, 60, 13.0, 90, 1.6, 1024, "one T4 16 GB, estimated from counted FLOPs")


@dataclass(frozen=True)
class Forecast:
    """What the steps that are still to do add up to."""

    optimizer_steps: int
    images: int
    seconds: int
    memory_gb: float
    disk_gb: float
    basis: str

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def forecast(recipe: Recipe, to_do: list[Step]) -> Forecast:
    """Return the cost of the steps in `to_do`."""
    costs = POCKET if is_pocket(recipe.base.model) else SDXL
    steps, images, seconds, disk = 0, 0, costs.start if to_do else 0.0, 0.0
    for step in to_do:
        if isinstance(step.spec, TrainSpec):
            train = step.spec.train
            size = (train.resolution / costs.native) ** 2
            steps += train.steps
            seconds += train.steps * train.effective_batch * costs.train_sample * size
            disk += costs.adapter_mb / 1000
        elif isinstance(step.spec, SampleSpec):
            sampler = step.spec.sampler
            count = len(step.spec.prompts) * len(step.spec.seeds)
            size = sampler.width * sampler.height / costs.native**2
            images += count
            seconds += count * sampler.steps * costs.sample_step * size
            disk += count * size * costs.image_mb / 1000
    return Forecast(steps, images, round(seconds), costs.memory_gb, round(disk, 3), costs.basis)


@dataclass(frozen=True)
class Planned:
    """A plan beside the store: what stands, what is to do, what it will cost."""

    plan: RunPlan
    recipe: Recipe
    to_do: tuple[Step, ...]
    forecast: Forecast
    done: frozenset[str]

    def as_json(self) -> dict[str, Any]:
        steps = [
            {
                "stage": step.stage, "name": step.name, "key": step.key,
                "done": step.key in self.done,
            }
            for step in self.plan.steps
        ]  # fmt: skip
        return {
            "recipe": self.plan.recipe,
            "benchmark": self.plan.judgement.benchmark.name,
            "signature": self.plan.signature,
            "steps": steps,
            "forecast": self.forecast.as_json(),
        }
