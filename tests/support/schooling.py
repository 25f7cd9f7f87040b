"""Small training runs, from a page's words to the folder they leave; for tests of training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.interfaces import Progress, StageContext, silent
from harness.pages import benchmark as benchmarks
from harness.pages.recipe import Recipe
from harness.pages.stages import TrainSpec
from harness.pipeline.plan import plan
from harness.pipeline.stages import STAGES
from harness.pipeline.stages.train import read_sets
from harness.pipeline.store.local import Store
from harness.records import Step
from harness.training.sets import EncodedSet
from harness.training.trained_models import TrainedModels, prepare

PAGE: dict[str, Any] = {
    "name": "school",
    "summary": "A few steps on a few ninjas.",
    "base": {"model": "pocket/sdxl"},
    "data": {"source": {"use": "pocket", "set": "ninja", "count": 12}},
}
TRAIN: dict[str, Any] = {
    "method": "lora",
    "adapter": {"rank": 4},
    "resolution": 64,
    "batch": 2,
    "accumulation": 2,
    "optimizer": {"use": "adamw"},
    "phases": [{"steps": 3, "rate": 1e-3}],
}


def recipe(data: dict[str, Any] | None = None, **train: Any) -> Recipe:
    """Return the small recipe with other fields of `train`, and of `data` where given."""
    page = {**PAGE, "data": {**PAGE["data"], **(data or {})}, "train": {**TRAIN, **train}}
    return Recipe.model_validate(page, strict=False)


@dataclass(frozen=True)
class School:
    """Everything a recipe's training reads, made and waiting in a store."""

    store: Store
    step: Step
    inputs: dict[str, Path]
    device: str = "cpu"

    @property
    def spec(self) -> TrainSpec:
        assert isinstance(self.step.spec, TrainSpec)
        return self.step.spec

    def workplace(
        self, folder: Path, report: Callable[[Progress], None] = silent, processes: int = 1
    ) -> StageContext:
        folder.mkdir(parents=True, exist_ok=True)
        return StageContext(
            folder,
            self.inputs,
            self.device,
            report,
            processes=processes,
            logs=self.store.root / "logs",
        )

    def sets(self) -> tuple[list[EncodedSet], EncodedSet | None]:
        return read_sets(self.spec, self.workplace(self.store.root / "unused"))

    def models(self) -> TrainedModels:
        return prepare(self.spec, self.device)

    def train(
        self, folder: Path, report: Callable[[Progress], None] = silent, processes: int = 1
    ) -> StageContext:
        """Train into `folder`; return the workplace with its notes."""
        place = self.workplace(folder, report, processes)
        STAGES["train"].load()(self.spec, place)
        return place


def school(page: Recipe, root: Path, device: str = "cpu") -> School:
    """Make all that the training of `page` needs, in a store at `root`."""
    whole = plan(page, benchmarks.load("pocket-v1"))
    store, by_key = Store(root), {step.key: step for step in whole.steps}
    goal = whole.step("train")
    for step in whole.steps:
        if step is goal:
            break
        inputs = {part: store.folder(by_key[key]) for part, key in step.reads.items()}

        def work(folder: Path, step: Step = step, inputs: dict[str, Path] = inputs) -> None:
            STAGES[step.stage].load()(step.spec, StageContext(folder, inputs, device))

        store.get_or_make(step, work)
    inputs = {part: store.folder(by_key[key]) for part, key in goal.reads.items()}
    return School(store, goal, inputs, device)
