"""What a service draws with: a result's weights, or an adapter on its base."""

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

KEPT = 16
"""Settings of the sampler whose words are kept."""


@dataclass(frozen=True)
class Model:
    """What draws, and with which settings where a request gives none."""

    name: str
    spec: SampleSpec
    inputs: Mapping[str, Path]

    def prompt_id(self, text: str) -> str:
        """Return the id that noise is drawn for: the benchmark's own, for a prompt of it."""
        known = {prompt.text: prompt.id for prompt in self.spec.prompts}
        return known.get(text) or digest(text)[:16]


@dataclass(frozen=True)
class Order:
    """One image: of what, from which noise, and how."""

    prompt_id: str
    seed: int
    text: str
    sampler: Sampler


Draw = Callable[[Sequence[Order]], list[Any]]
"""Orders of one sampler to pictures; None where the numbers were not finite."""


def model_of(source: Path, base: str | None, judgement: Judgement | None, store: Store) -> Model:
    """Return what a result file, or an adapter file with its base, draws with."""
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
            f"what {file} was drawn with is not in {store.root}",
            hint="give its --store, or `harness store pull`",
        )
    manifest = read_artifact(folder).manifest
    inputs = {part: store.find(each) for part, each in manifest["inputs"].items()}
    for part, place in inputs.items():
        if place is None:
            raise StoreError(
                f"the {part} of {file} is not in {store.root}",
                hint="`harness store pull`, or run the recipe again",
            )
    there = {part: place for part, place in inputs.items() if place is not None}
    spec = _spec(manifest["spec"], result.recipe, result.benchmark, key)
    return Model(result.recipe, spec, there)


def _spec(described: Mapping[str, Any], recipe: str, benchmark: str, key: str) -> SampleSpec:
    """Return what was asked of the sampler; where an adapter was loaded, its page says from where.

    A place is no part of a manifest.
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
    """Load the weights and return what draws with them."""
    from harness.diffusion.sampler import Artist, Request
    from harness.pipeline.stages.sample import pipeline_of

    place = StageContext(Path(), model.inputs, device)
    pipeline = pipeline_of(model.spec, place)
    artists: dict[Sampler, Artist] = {}

    def draw(orders: Sequence[Order]) -> list[Any]:
        sampler = orders[0].sampler
        if sampler not in artists:
            if len(artists) >= KEPT:
                artists.pop(next(iter(artists)))
            artists[sampler] = Artist(pipeline, sampler, device)
        prompting = model.spec.prompting
        return artists[sampler].draw(
            [Request(each.prompt_id, each.seed, prompting.apply(each.text)) for each in orders]
        )

    return draw
