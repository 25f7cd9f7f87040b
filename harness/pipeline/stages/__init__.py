"""The stages: each is a function from a spec and finished folders to one new folder.

Planning needs only this table, so a plan loads no network library. Raise the version of a stage
whenever the same spec would give another result.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.interfaces import StageContext
from harness.pipeline.stages.loading import importing
from harness.records import StageName


@dataclass(frozen=True)
class Stage:
    """One stage's version and the place of its function."""

    version: int
    implementation: str

    def load(self) -> Callable[[Any, StageContext], None]:
        """Return the stage's function, which raises the errors of a GPU in words."""
        module, _, name = self.implementation.partition(":")
        with importing():
            # Imported here, as it knows the forecast, which plans.
            from harness.pipeline.stages.failures import worded

            code = importlib.import_module(module)
        function: Callable[[Any, StageContext], None] = getattr(code, name)
        return worded(function)


STAGES: dict[StageName, Stage] = {
    "data": Stage(2, "harness.pipeline.stages.data:collect"),
    "latents": Stage(1, "harness.pipeline.stages.latents:encode"),
    "texts": Stage(1, "harness.pipeline.stages.texts:write"),
    "train": Stage(2, "harness.pipeline.stages.train:train"),
    "probe": Stage(1, "harness.pipeline.stages.probe:probe"),
    "gradients": Stage(1, "harness.pipeline.stages.gradients:take"),
    "blame": Stage(1, "harness.pipeline.stages.blame:blame"),
    "sample": Stage(1, "harness.pipeline.stages.sample:sample"),
    "decoys": Stage(1, "harness.pipeline.stages.decoys:collect"),
    "damage": Stage(1, "harness.pipeline.stages.damage:damage_each"),
    "features": Stage(2, "harness.pipeline.stages.features:extract"),
    "sanity": Stage(1, "harness.pipeline.stages.sanity:examine"),
    "score": Stage(3, "harness.pipeline.stages.score:score"),
}
