"""(Recipe, Judgement) → RunPlan: every step and its key, before anything has run.

Pure: it reads no store and no clock, and gives the same keys on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.benchmark import Judgement, Prompt, Sampler
from harness.dataset import Caption
from harness.errors import UsageError
from harness.fingerprint import digest
from harness.interfaces import ExtractorSpec, MetricSpec, Page
from harness.pocket import pinned
from harness.recipe import Base, Load, Recipe
from harness.records import StageName, Step, described, extractor_name, make_step
from harness.stages import STAGES
from harness.steps import (
    DataSpec,
    FeaturesSpec,
    LatentsSpec,
    SampleSpec,
    ScoreSpec,
    SuppliedSpec,
    TextsSpec,
    TrainSpec,
)
from harness.training import Prior, Train


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


def plan(recipe: Recipe, judgement: Judgement, checkpoint: int | None = None) -> RunPlan:
    """Return the plan of judging `recipe` by `judgement`, at its end or at one checkpoint."""
    training = _training(recipe)
    trained = training[-1].key if training else None
    sample = _sampling(recipe, judgement, trained, checkpoint)
    name = recipe.name if checkpoint is None else f"{recipe.name}.step{checkpoint}"
    protocol = protocol_of(judgement, recipe.base)
    origin = "trained" if recipe.train else "adapter supplied" if _adapter(recipe) else "loaded"
    return RunPlan(
        recipe=name,
        judgement=judgement,
        steps=(*training, sample, *_judging(name, sample, judgement)),
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
    """Return what training needs, set by set, and the training itself at the end."""
    train, data = recipe.train, recipe.data
    if train is None or data is None:
        return []
    steps: list[Step] = []
    inputs: dict[str, str] = {}
    chosen = [phase.of(data) for phase in train.phases]
    distinct = [each for at, each in enumerate(chosen) if each not in chosen[:at]]
    for index, each in enumerate(distinct):
        suffix = f"-{index + 1}" if index else ""
        rows = DataSpec(source=each.source, booster=each.booster, curate=each.curate)
        collected = _step(f"data{suffix}", "data", rows, {}, recipe.name)
        prepared = _prepared(recipe, train, collected, each.caption, suffix)
        steps += [collected, *prepared]
        inputs |= {f"{step.stage}-{index}": step.key for step in prepared}
    if train.prior is not None:
        drawn = _class_images(recipe, train, train.prior)
        prepared = _prepared(recipe, train, drawn, Caption(chunks=data.caption.chunks), "-class")
        steps += [drawn, *prepared]
        inputs |= {f"{step.stage}-class": step.key for step in prepared}
    spec = TrainSpec(
        base=recipe.base, pins=pins(recipe.base), train=train,
        phase_sets=tuple(distinct.index(each) for each in chosen),
        caption_dropouts=tuple(each.caption.dropout for each in distinct),
        chunks=data.caption.chunks,
    )  # fmt: skip
    return [*steps, _step("train", "train", spec, inputs, recipe.name)]


def _prepared(
    recipe: Recipe, train: Train, images: Step, caption: Caption, suffix: str
) -> tuple[Step, Step]:
    """Return the two steps that make a set ready to be trained on: its texts and its latents.

    Texts come first, so that the text encoders are gone when the VAE is loaded.
    """
    base = recipe.base
    eyes = Base(model=base.vae or base.model, revision=base.revision, vae=base.vae)
    mouth = None if train.trains_text else Base(model=base.model, revision=base.revision)
    vae = pins(eyes) if base.vae else pins_of(base.model, "vae")
    voices = ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")
    texts = TextsSpec(
        caption=caption.model_copy(update={"dropout": 0.0}),
        base=mouth,
        pins=pins_of(base.model, *voices) if mouth else {},
    )
    latents = LatentsSpec(
        vae=eyes, pins=vae, resolution=train.resolution, crop=train.crop, flip=train.flip,
        buckets=train.buckets,
    )  # fmt: skip
    inputs = {"data": images.key}
    return (
        _step(f"texts{suffix}", "texts", texts, inputs, recipe.name),
        _step(f"latents{suffix}", "latents", latents, inputs, recipe.name),
    )


def _class_images(recipe: Recipe, train: Train, prior: Prior) -> Step:
    spec = SampleSpec(
        base=recipe.base,
        pins=pins(recipe.base),
        prompts=(Prompt(id="class", text=prior.prompt),),
        seeds=tuple(range(prior.seed, prior.seed + prior.images)),
        sampler=Sampler(
            steps=prior.sampler_steps, guidance=prior.guidance, width=train.resolution,
            height=train.resolution, precision=train.precision,
        ),
    )  # fmt: skip
    return _step("class", "sample", spec, {}, recipe.name)


def _sampling(
    recipe: Recipe, judgement: Judgement, adapter: str | None, checkpoint: int | None
) -> Step:
    train = recipe.train
    spec = SampleSpec(
        base=recipe.base,
        pins=pins(recipe.base, recipe.load, _judges_vae(judgement)),
        load=recipe.load,
        adapter_digest=_adapter(recipe),
        checkpoint=checkpoint,
        prediction=train.prediction if train else None,
        zero_terminal_snr=train.zero_terminal_snr if train else False,
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
    return recipe.load.digest()


def _judging(subject: str, sample: Step, judgement: Judgement) -> Iterator[Step]:
    """Yield features of both sides and the score."""
    benchmark = judgement.benchmark
    inputs = {"sample": sample.key}
    reference: Step | None = None
    if benchmark.reference is not None:
        spec = DataSpec(source=benchmark.reference.source, square=benchmark.reference.resolution)
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


def pins_of(model: str, *parts: str) -> dict[str, dict[str, str]]:
    """Return the digests of some parts of a model that is a folder here."""
    names = [f"{model}/{part}" for part in parts]
    return {name: found for name in names if (found := pinned(name))}


def _step(name: str, stage: StageName, spec: Page, inputs: dict[str, str], subject: str) -> Step:
    return make_step(name, stage, STAGES[stage].version, spec, inputs, subject)
