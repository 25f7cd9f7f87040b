"""(Recipe, Judgement) → RunPlan: every step and its key, before anything has run.

Pure: it reads no store and no clock, and gives the same keys on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.data.sources.provenance import identity_of, sources_in
from harness.errors import UsageError
from harness.fingerprint import digest
from harness.keys import described
from harness.pages.benchmark import Judgement
from harness.pages.recipe import Base, Recipe
from harness.pages.stages import DataSpec, ScoreSpec, SuppliedSpec
from harness.pipeline.judging_steps import (
    adapter_digest,
    comparison_steps,
    features_step,
    judging_steps,
    real_picture_steps,
    sampling_step,
)
from harness.pipeline.protocol import protocol_of, signature_of
from harness.pipeline.steps import step_of
from harness.pipeline.training_steps import training_steps
from harness.records import Step


@dataclass(frozen=True)
class RunPlan:
    """The steps of one recipe under one benchmark, inputs first, and what they add up to."""

    recipe: str
    judgement: Judgement
    steps: tuple[Step, ...]
    signature: str
    protocol: dict[str, Any]
    summary: str = ""
    origin: str = "trained"
    training_seeds: tuple[int, ...] = ()

    @property
    def score(self) -> Step:
        return self.steps[-1]

    def step(self, name: str) -> Step:
        return next(step for step in self.steps if step.name == name)

    def keys(self) -> dict[str, str]:
        return {step.name: step.key for step in self.steps}

    def data(self) -> dict[str, list[dict[str, Any]]]:
        """Return the versions of the sets that each collecting step reads, by its name."""
        return {
            step.name: [identity_of(source) for source in sources_in(step.spec)]
            for step in self.steps
            if step.stage == "data" and isinstance(step.spec, DataSpec)
        }


def plan(recipe: Recipe, judgement: Judgement, checkpoint: int | None = None) -> RunPlan:
    """Return the plan of judging `recipe` by `judgement`, at its end or at one checkpoint."""
    training = training_steps(recipe)
    trained = training[-1].key if training else None
    sample = sampling_step(recipe, judgement, trained, checkpoint)
    sides = real_picture_steps(judgement) | comparison_steps(recipe, judgement, sample)
    name = recipe.name if checkpoint is None else f"{recipe.name}.step{checkpoint}"
    protocol = protocol_of(judgement, recipe.base)
    origin = (
        "trained" if recipe.train else "adapter supplied" if adapter_digest(recipe) else "loaded"
    )
    return RunPlan(
        recipe=name,
        judgement=judgement,
        steps=(*training, sample, *sides.values(), *judging_steps(name, sample, judgement, sides)),
        signature=signature_of(protocol),
        protocol=protocol,
        summary=recipe.summary,
        origin=origin,
        training_seeds=(recipe.train.seed,) if recipe.train else (),
    )


def plan_supplied(name: str, supplied: SuppliedSpec, judgement: Judgement) -> RunPlan:
    """Return the plan of judging images that were made elsewhere."""
    sample = step_of("sample", "sample", supplied, {}, name)
    protocol = protocol_of(judgement, Base(model="supplied"))
    protocol |= {"sampler": "supplied", "n": len(supplied.entries)}
    if not supplied.as_asked:
        for unused in ("suites", "seeds", "vae"):
            del protocol[unused]
    asked = [[each.prompt_id, each.seed, each.text] for each in supplied.entries]
    protocol["images"] = digest(asked)[:16]
    sides = real_picture_steps(judgement)
    return RunPlan(
        recipe=name,
        judgement=judgement,
        steps=(sample, *sides.values(), *judging_steps(name, sample, judgement, sides)),
        signature=signature_of(protocol),
        protocol=protocol,
        summary=f"{len(supplied.entries)} images made elsewhere",
        origin="images supplied",
    )


def plan_reference(judgement: Judgement) -> RunPlan:
    """Return the plan of looking at a benchmark's reference alone; it ends in no score."""
    name, pictures = judgement.benchmark.name, real_picture_steps(judgement).get("reference")
    if pictures is None:
        raise UsageError(f"{name} has no reference", hint="pocket-v1 and naruto-v1 have one")
    looks = [
        features_step("reference", each, pictures, name)
        for each in judgement.extractors("reference")
    ]
    protocol = described(judgement.benchmark.reference)
    return RunPlan(name, judgement, (pictures, *looks), signature_of(protocol), protocol)


def without(plan: RunPlan, lacking: Mapping[str, str]) -> RunPlan:
    """Return the plan that makes do without some features; `lacking` says why, by their key.

    Its score has another key, so that nothing is missing any more once they can be had.
    """
    if not lacking:
        return plan
    gone = {step.title.extractor: lacking[step.key] for step in plan.steps if step.key in lacking}
    left = [step for step in plan.steps[:-1] if step.title.extractor not in gone]
    names = {step.name for step in left}
    inputs = {part: key for part, key in plan.score.inputs.items() if part in names}
    spec = ScoreSpec(metrics=plan.judgement.metrics, unavailable=dict(sorted(gone.items())))
    return replace(plan, steps=(*left, step_of("score", "score", spec, inputs, plan.recipe)))
