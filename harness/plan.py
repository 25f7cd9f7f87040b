"""(Recipe, Judgement) → RunPlan: every step and its key, before anything has run.

Pure: it reads no store and no clock, and gives the same keys on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.benchmark import Judgement
from harness.errors import UsageError
from harness.fingerprint import digest, digest_file
from harness.interfaces import ExtractorSpec, MetricSpec, Page
from harness.pocket import pinned
from harness.recipe import Base, Caption, Load, Recipe, Train
from harness.records import StageName, Step, described, extractor_name, make_step
from harness.stages import STAGES
from harness.steps import (
    DataSpec,
    EncodeSpec,
    FeaturesSpec,
    SampleSpec,
    ScoreSpec,
    SuppliedSpec,
    TrainSpec,
)


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


def plan(recipe: Recipe, judgement: Judgement) -> RunPlan:
    """Return the plan of judging `recipe` by `judgement`."""
    training = _training(recipe)
    sample = _sampling(recipe, judgement, training[-1].key if training else None)
    protocol = protocol_of(judgement, recipe.base)
    origin = "trained" if recipe.train else "adapter supplied" if _adapter(recipe) else "loaded"
    return RunPlan(
        recipe=recipe.name,
        judgement=judgement,
        steps=(*training, sample, *_judging(recipe.name, sample, judgement)),
        signature=digest(protocol)[:16],
        protocol=protocol,
        summary=recipe.summary,
        origin=origin,
        training_seeds=(recipe.train.seed,) if recipe.train else (),
    )


def plan_supplied(name: str, supplied: SuppliedSpec, judgement: Judgement) -> RunPlan:
    """Return the plan of judging images that were made elsewhere."""
    sample = _step("sample", "sample", supplied, {}, name)
    protocol = protocol_of(judgement, Base(model="supplied"))
    protocol |= {"sampler": "supplied", "n": len(supplied.entries)}
    if not supplied.as_asked:
        for unused in ("suites", "seeds", "vae"):
            del protocol[unused]
    protocol["images"] = digest([[each[1], each[2], each[3]] for each in supplied.entries])[:16]
    return RunPlan(
        recipe=name,
        judgement=judgement,
        steps=(sample, *_judging(name, sample, judgement)),
        signature=digest(protocol)[:16],
        protocol=protocol,
        summary=f"{len(supplied.entries)} images made elsewhere",
        origin="images supplied",
    )


def _training(recipe: Recipe) -> list[Step]:
    train, data = recipe.train, recipe.data
    if train is None or data is None:
        return []
    steps: list[Step] = []
    inputs: dict[str, str] = {}
    chosen = [phase.curate or data.curate for phase in train.phases]
    distinct = list(dict.fromkeys(chosen))
    for index, rules in enumerate(distinct):
        suffix = f"-{index + 1}" if index else ""
        rows = DataSpec(
            source=data.source, booster=data.booster, curate=rules, caption=data.caption
        )
        collected = _step(f"data{suffix}", "data", rows, {}, recipe.name)
        encoded = _step(
            f"encode{suffix}", "encode", _encoding(recipe, train), {"data": collected.key},
            recipe.name,
        )  # fmt: skip
        steps += [collected, encoded]
        inputs[f"set-{index}"] = encoded.key
    spec = TrainSpec(
        base=recipe.base, pins=pins(recipe.base), train=train,
        caption_dropout=data.caption.dropout,
        phase_sets=tuple(distinct.index(rules) for rules in chosen),
    )  # fmt: skip
    return [*steps, _step("train", "train", spec, inputs, recipe.name)]


def _encoding(recipe: Recipe, train: Train) -> EncodeSpec:
    trains_text = any(phase.text_encoder_rates for phase in train.phases)
    return EncodeSpec(
        base=recipe.base, pins=pins(recipe.base), resolution=train.resolution, crop=train.crop,
        flip=train.flip, texts=not trains_text,
    )  # fmt: skip


def _sampling(recipe: Recipe, judgement: Judgement, adapter: str | None = None) -> Step:
    spec = SampleSpec(
        base=recipe.base,
        pins=pins(recipe.base, recipe.load, _judges_vae(judgement)),
        load=recipe.load,
        adapter_digest=_adapter(recipe),
        prompting=recipe.prompting,
        prompts=tuple(judgement.prompts),
        seeds=judgement.benchmark.seeds,
        sampler=judgement.benchmark.sampler,
    )
    return _step("sample", "sample", spec, {"train": adapter} if adapter else {}, recipe.name)


def _judges_vae(judgement: Judgement) -> Base | None:
    vae = judgement.benchmark.sampler.vae
    return Base(model=vae) if vae else None


def _adapter(recipe: Recipe) -> str | None:
    if recipe.load is None or recipe.load.adapter is None:
        return None
    file = Path(recipe.load.adapter)
    if not file.is_file():
        raise UsageError(f"there is no adapter file {file}", hint="give a .safetensors file")
    return digest_file(file)


def _judging(subject: str, sample: Step, judgement: Judgement) -> Iterator[Step]:
    """Yield features of both sides and the score."""
    benchmark = judgement.benchmark
    inputs = {"sample": sample.key}
    reference: Step | None = None
    if benchmark.reference is not None:
        spec = DataSpec(
            source=benchmark.reference.source, square=benchmark.reference.resolution,
            caption=Caption(),
        )  # fmt: skip
        reference = _step("reference", "data", spec, {}, benchmark.name)
        yield reference
    for extractor in judgement.extractors():
        name = extractor_name(extractor)
        spec_ = FeaturesSpec(extractor=extractor)
        own = _step(f"features/{name}", "features", spec_, {"images": sample.key}, subject)
        inputs[f"features/{name}"] = own.key
        yield own
        if reference is not None and _serves_reference(extractor, judgement):
            theirs = _step(
                f"reference/{name}", "features", spec_, {"images": reference.key}, benchmark.name
            )
            inputs[f"reference/{name}"] = theirs.key
            yield theirs
    yield _step("score", "score", ScoreSpec(metrics=benchmark.metrics), inputs, subject)


def _serves_reference(extractor: ExtractorSpec, judgement: Judgement) -> bool:
    return any(
        metric.needs_reference and extractor in metric.extractors()
        for metric in judgement.benchmark.metrics
        if isinstance(metric, MetricSpec)
    )


def protocol_of(judgement: Judgement, base: Base) -> dict[str, Any]:
    """Return everything two rows must share to be ranked together."""
    benchmark = judgement.benchmark
    return {
        "benchmark": benchmark.name,
        "suites": {
            suite.name: [suite.version, digest(described(suite.prompts))[:16]]
            for suite in judgement.suites
        },
        "seeds": list(benchmark.seeds),
        "n": judgement.images,
        "sampler": benchmark.sampler.model_dump(mode="json"),
        "base": [base.model, base.revision, *pinned(base.model).values()],
        "vae": benchmark.sampler.vae or base.vae,
        "metrics": [described(metric) for metric in benchmark.metrics],
        "reference": described(benchmark.reference) if benchmark.reference else None,
        "extractors": [described(extractor) for extractor in judgement.extractors()],
        "stages": {name: STAGES[name].version for name in ("data", "sample", "features", "score")},
    }


def pins(*parts: Base | Load | None) -> dict[str, dict[str, str]]:
    """Return the digests of every model that is a folder here; a hub's is pinned by revision."""
    names = [
        name
        for part in parts
        if part is not None
        for name in (part.model, getattr(part, "vae", None))
        if name
    ]
    return {name: found for name in names if (found := pinned(name))}


def _step(name: str, stage: StageName, spec: Page, inputs: dict[str, str], subject: str) -> Step:
    return make_step(name, stage, STAGES[stage].version, spec, inputs, subject)
