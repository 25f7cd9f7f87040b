"""(Recipe, Judgement) → RunPlan: every step and its key, before anything has run.

Pure: it reads no store and no clock, and gives the same keys on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from harness.data.sources.provenance import identity_of, sources_in
from harness.errors import UsageError
from harness.fingerprint import digest
from harness.interfaces import Side
from harness.keys import described
from harness.pages.benchmark import Judgement
from harness.pages.recipe import Base, Recipe
from harness.pages.stages import DataSpec, SanitySpec, ScoreSpec, SuppliedSpec
from harness.pipeline.judging_steps import (
    adapter_digest,
    comparison_steps,
    decoy_steps,
    features_step,
    judging_steps,
    real_picture_steps,
    sampling_step,
    sanity_steps,
)
from harness.pipeline.protocol import protocol_of, signature_of
from harness.pipeline.stages.files import EARLIER
from harness.pipeline.steps import step_of
from harness.pipeline.training_steps import training_steps
from harness.records import Step, StepName


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

    @property
    def sanity(self) -> Step | None:
        """The step that makes the benchmark's sanity card, if it has one."""
        return next((step for step in self.steps if step.stage == "sanity"), None)

    @property
    def probe(self) -> Step | None:
        """The step of the loss probe, if the recipe holds pictures out."""
        return next((step for step in self.steps if step.stage == "probe"), None)

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


def plan(
    recipe: Recipe,
    judgement: Judgement,
    checkpoint: int | None = None,
    base_seeds: tuple[int, ...] | None = None,
) -> RunPlan:
    """Return the plan of judging `recipe` by `judgement`, at its end or at one checkpoint.

    The base draws with `base_seeds`, else with the benchmark's seeds.
    """
    training = training_steps(recipe)
    trained = next((step.key for step in training if step.stage == "train"), None)
    sample = sampling_step(recipe, judgement, trained, checkpoint)
    sides = real_picture_steps(judgement) | comparison_steps(recipe, judgement, sample, base_seeds)
    name = recipe.name if checkpoint is None else f"{recipe.name}.step{checkpoint}"
    protocol = protocol_of(judgement, recipe.base)
    origin = (
        "trained" if recipe.train else "adapter supplied" if adapter_digest(recipe) else "loaded"
    )
    other = sides.get("base", sample) if judgement.benchmark.base else None
    decoys = decoy_steps(judgement, sides, other)
    judging = _judging(name, sample, judgement, sides, other, decoys)
    return RunPlan(
        recipe=name,
        judgement=judgement,
        steps=(*training, sample, *sides.values(), *decoys, *judging),
        signature=signature_of(protocol),
        protocol=protocol,
        summary=recipe.summary,
        origin=origin,
        training_seeds=(recipe.train.seed,) if recipe.train else (),
    )


def plan_supplied(
    name: str, supplied: SuppliedSpec, judgement: Judgement, base: Recipe | None = None
) -> RunPlan:
    """Return the plan of judging images that were made elsewhere.

    `base` is a bare model. It draws the benchmark's prompts, for comparison with the images that
    answer them, and as another style on which metrics must show that they may judge.
    """
    sample = step_of("sample", "sample", supplied, {}, name)
    protocol = protocol_of(judgement, Base(model="supplied"))
    protocol |= {"sampler": "supplied", "n": len(supplied.entries)}
    if not supplied.as_asked:
        for unused in ("suites", "seeds", "vae"):
            del protocol[unused]
    protocol["images"] = _asked(supplied, judgement)
    judgement = judgement.with_pictures(len(supplied.entries))
    sides = real_picture_steps(judgement)
    if base is not None:
        drawn = sampling_step(base, judgement, None, None)
        sides["base"] = replace(drawn, title=StepName("base"))
    other = sides.get("base")
    decoys = decoy_steps(judgement, sides, other)
    judging = _judging(name, sample, judgement, sides, other, decoys)
    return RunPlan(
        recipe=name,
        judgement=judgement,
        steps=(sample, *sides.values(), *decoys, *judging),
        signature=signature_of(protocol),
        protocol=protocol,
        summary=f"{len(supplied.entries)} images made elsewhere",
        origin="images supplied",
    )


def _asked(supplied: SuppliedSpec, judgement: Judgement) -> str:
    """Return a digest of what images answer: their prompts, or else how many they are."""
    asked = [[each.prompt_id, each.seed, each.text] for each in supplied.entries]
    return digest(asked if judgement.suites else [each[:2] for each in asked])[:16]


def _judging(
    name: str,
    sample: Step,
    judgement: Judgement,
    sides: Mapping[Side, Step],
    other: Step | None,
    decoys: tuple[Step, ...],
) -> tuple[Step, ...]:
    """Return all steps that judge: features, the sanity card of the metrics, and the score."""
    beside: Mapping[Side, Step] = {**sides, "decoys": decoys[-1]} if decoys else sides
    *looks, score = judging_steps(name, sample, judgement, beside)
    card = sanity_steps(judgement, sides, other, decoys) if judgement.benchmark.licences else ()
    steps = (*looks, *card, score)
    return tuple({step.key: step for step in steps}.values())


def plan_sanity(judgement: Judgement, base: Recipe | None) -> RunPlan:
    """Return the plan of a benchmark's sanity card alone; `base` draws the other style, if any."""
    name, sides = judgement.benchmark.name, real_picture_steps(judgement)
    drawn = plan(base, judgement).step("sample") if base is not None else None
    other = None if drawn is None or drawn.inputs else replace(drawn, title=StepName("other"))
    decoys = decoy_steps(judgement, sides, other)
    card = tuple(sanity_steps(judgement, sides, other, decoys))
    if not card:
        raise UsageError(
            f"{name} has no sanity card",
            hint="add reference to the benchmark",
        )
    sets = [step for step in decoys if step.stage == "data"]
    seen = [step for step in sides.values() if step.stage == "data"]  # the card damages its own
    steps = (*seen, *([other] if other else []), *sets, *card)
    return RunPlan(name, judgement, steps, "", {})


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


def after(plan: RunPlan, looks: Sequence[Step]) -> RunPlan:
    """Return the plan whose sample takes over the images that earlier looks drew, the last of
    which holds those of all before it.

    An image may differ in its last digit with the batch that it is drawn in, so the looks are an
    input: the sample, and what reads it, has another key than one that is drawn at once.
    """
    if not looks:
        return plan
    numbered = [
        replace(step, title=StepName(f"look{number}")) for number, step in enumerate(looks, 1)
    ]
    steps, keys = list[Step](), dict[str, str]()
    for step in plan.steps:
        inputs = {part: keys.get(key, key) for part, key in step.inputs.items()}
        if step.title == StepName("sample"):
            inputs[EARLIER] = looks[-1].key
            steps += numbered
        if inputs != step.inputs:
            made = step_of(step.title, step.stage, step.spec, inputs, step.subject)
            keys[step.key] = made.key
            step = replace(made, beside=step.beside)
        steps.append(step)
    return replace(plan, steps=tuple(steps))


def without(plan: RunPlan, lacking: Mapping[str, str]) -> RunPlan:
    """Return the plan that makes do without some features; `lacking` says why, by their key.

    Its score has another key, so that nothing is missing any more once they can be had.
    """
    if not lacking:
        return plan
    gone = {
        step.title.extractor: lacking[step.key]
        for step in plan.steps
        if step.key in lacking and step.title.extractor
    }
    lost = {step.key for step in plan.steps if step.title.extractor in gone}
    left = [step for step in plan.steps if step.key not in lost]
    if not gone:  # the card alone cannot be made: its damaged pictures want a network
        return replace(plan, steps=tuple(step for step in left if step.key not in lacking))
    reasons = dict(sorted(gone.items()))
    return replace(plan, steps=tuple(_doing_without(step, lost, reasons) for step in left))


def _doing_without(step: Step, lost: Set[str], reasons: Mapping[str, str]) -> Step:
    if not isinstance(step.spec, ScoreSpec | SanitySpec):
        return step
    spec = step.spec.model_copy(update={"unavailable": reasons})
    inputs = {part: key for part, key in step.inputs.items() if key not in lost}
    return step_of(step.title, step.stage, spec, inputs, step.subject)
