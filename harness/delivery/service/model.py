"""The model of a service: the weights of a result, or an adapter on its base."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, StoreError, UsageError
from harness.fingerprint import digest
from harness.interfaces import StageContext
from harness.pages import benchmark as benchmarks
from harness.pages import recipe as recipes
from harness.pages.benchmark import Judgement, Sampler
from harness.pages.recipe import Base, Load, Recipe
from harness.pages.stages import SampleSpec
from harness.pipeline.plan import plan
from harness.pipeline.results.read import read_result
from harness.pipeline.store.local import Store, read_artifact
from harness.pipeline.store.soundness import require_sound

KEPT = 16
"""Samplers that are kept with the embeddings of their prompts."""


@dataclass(frozen=True)
class Model:
    """The weights to draw with, and the settings for what a request leaves out."""

    name: str
    spec: SampleSpec
    inputs: Mapping[str, Path]

    def prompt_id(self, text: str) -> str:
        """Return the id that the noise depends on; a prompt of the benchmark has its own."""
        known = {prompt.text: prompt.id for prompt in self.spec.prompts}
        return known.get(text) or digest(text)[:16]


@dataclass(frozen=True)
class Job:
    """One image to draw: its prompt, its noise and its sampler."""

    prompt_id: str
    seed: int
    text: str
    sampler: Sampler


Draw = Callable[[Sequence[Job]], list[Any]]
"""From jobs with one sampler to pictures; None for an image whose numbers are not finite."""


def model_of(source: Path, base: str | None, judgement: Judgement | None, store: Store) -> Model:
    """Return the model of a result file, or of an adapter file with its base."""
    if source.suffix == ".json":
        return _of_result(source, store)
    if base is None:
        raise UsageError(f"{source} needs --base", hint="such as --base pocket/sdxl")
    if not source.is_file():
        raise UsageError(f"there is no file {source}", hint="a result (.json) or a LoRA file")
    recipe = Recipe(
        name="served",
        summary=f"The adapter {source.name}.",
        base=Base(model=base),
        load=Load(adapter=str(source)),
    )
    assert judgement is not None
    spec = plan(recipe, judgement).step("sample").spec
    assert isinstance(spec, SampleSpec)
    return Model(source.stem, spec, {})


def _of_result(file: Path, store: Store) -> Model:
    result = read_result(file)
    key = result.keys.get("sample", "")
    folder = store.find(key) if key else None
    if folder is None:
        raise StoreError(
            f"the model that drew {file} is not in {store.root}",
            hint="give its --store, or `harness store pull`",
        )
    manifest = read_artifact(folder).manifest
    inputs = {part: store.find(each) for part, each in manifest["inputs"].items()}
    for part, folder in inputs.items():
        if folder is None:
            raise StoreError(
                f"the {part} of {file} is not in {store.root}",
                hint="`harness store pull`, or run the recipe again",
            )
    present = {part: folder for part, folder in inputs.items() if folder is not None}
    for folder in present.values():
        require_sound(read_artifact(folder))
    spec = _spec(manifest["spec"], result.recipe, result.benchmark, key)
    return Model(result.recipe, spec, present)


def _spec(described: Mapping[str, Any], recipe: str, benchmark: str, key: str) -> SampleSpec:
    """Return the spec of the sample step; for a loaded adapter, its recipe says where the file is.

    A manifest does not hold paths.
    """
    if "load" not in described or described["load"].get("model"):
        return SampleSpec.model_validate_json(json.dumps(described))
    try:
        step = plan(recipes.load(recipe), benchmarks.load(benchmark)).step("sample")
    except HarnessError:
        step = None
    if step is None or step.key != key or not isinstance(step.spec, SampleSpec):
        raise UsageError(
            f"the store does not say where {recipe}'s adapter lies",
            hint="serve the file itself, with --base",
        )
    return step.spec


def load(model: Model, device: str) -> Draw:
    """Load the weights and return the function that draws with them."""
    from harness.diffusion.sampler import Request
    from harness.pipeline.stages.draw import pipeline_of, sampler_of

    context = StageContext(Path(), model.inputs, device)
    pipeline = pipeline_of(model.spec, context)
    samplers: dict[Sampler, Any] = {}

    def draw(jobs: Sequence[Job]) -> list[Any]:
        sampler = jobs[0].sampler
        if sampler not in samplers:
            if len(samplers) >= KEPT:
                samplers.pop(next(iter(samplers)))
            samplers[sampler] = sampler_of(pipeline, sampler, device)
        prompting = model.spec.prompting
        requests = [Request(each.prompt_id, each.seed, prompting.apply(each.text)) for each in jobs]
        return list(samplers[sampler].draw(requests))

    return draw
