"""(Recipe, Judgement) → RunPlan: every step and its key, before anything has run.

Pure: it reads no store and no clock, and gives the same keys on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.data.sources.provenance import edition, sources_in
from harness.errors import UsageError
from harness.fingerprint import digest
from harness.interfaces import ExtractorSpec, Page, Side
from harness.pages.benchmark import Asked, Judgement, Prompt, PromptSuite, Reference, Sampler
from harness.pages.data import Caption
from harness.pages.recipe import Base, Load, Prompting, Recipe
from harness.pages.stages import (
    DataSpec,
    FeaturesSpec,
    LatentsSpec,
    SampleSpec,
    ScoreSpec,
    SuppliedSpec,
    TextsSpec,
    TrainSpec,
)
from harness.pages.train import Prior, Train
from harness.pipeline.stages import STAGES
from harness.pocket import pinned
from harness.records import StageName, Step, described, extractor_name, make_step


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
            step.name: [edition(source) for source in sources_in(step.spec)]
            for step in self.steps
            if step.stage == "data" and isinstance(step.spec, DataSpec)
        }


def plan(recipe: Recipe, judgement: Judgement, checkpoint: int | None = None) -> RunPlan:
    """Return the plan of judging `recipe` by `judgement`, at its end or at one checkpoint."""
    training = _training(recipe)
    trained = training[-1].key if training else None
    sample = _sampling(recipe, judgement, trained, checkpoint)
    sides = pictures_of(judgement) | _beside(recipe, judgement, sample)
    name = recipe.name if checkpoint is None else f"{recipe.name}.step{checkpoint}"
    protocol = protocol_of(judgement, recipe.base)
    origin = "trained" if recipe.train else "adapter supplied" if _adapter(recipe) else "loaded"
    return RunPlan(
        recipe=name,
        judgement=judgement,
        steps=(*training, sample, *sides.values(), *judging(name, sample, judgement, sides)),
        signature=digest(protocol)[:16],
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
    sides = pictures_of(judgement)
    return RunPlan(
        recipe=name,
        judgement=judgement,
        steps=(sample, *sides.values(), *judging(name, sample, judgement, sides)),
        signature=digest(protocol)[:16],
        protocol=protocol,
        summary=f"{len(supplied.entries)} images made elsewhere",
        origin="images supplied",
    )


def collected(recipe: Recipe) -> Step | None:
    """Return the step that collects what a recipe learns from first."""
    return next((step for step in _training(recipe) if step.stage == "data"), None)


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
        rows = DataSpec(
            source=each.source,
            booster=each.booster,
            part=each.part,
            curate=each.curate,
            boosters=each.boosters,
            recaption=each.recaption,
            reading=each.reading,
        )
        collected = step_of(f"data{suffix}", "data", rows, {}, recipe.name)
        prepared = _prepared(recipe, train, collected, each.caption, suffix)
        steps += [collected, *prepared]
        inputs |= {f"{step.stage}-{index}": step.key for step in prepared}
    if train.prior is not None:
        drawn = _class_images(recipe, train, train.prior)
        prepared = _prepared(recipe, train, drawn, Caption(chunks=data.caption.chunks), "-class")
        steps += [drawn, *prepared]
        inputs |= {f"{step.stage}-class": step.key for step in prepared}
    spec = TrainSpec(
        base=recipe.base,
        pins=pins(recipe.base),
        train=train,
        phase_sets=tuple(distinct.index(each) for each in chosen),
        caption_dropouts=tuple(each.caption.dropout for each in distinct),
        chunks=data.caption.chunks,
    )
    return [*steps, step_of("train", "train", spec, inputs, recipe.name)]


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
        vae=eyes,
        pins=vae,
        resolution=train.resolution,
        crop=train.crop,
        flip=train.flip,
        buckets=train.buckets,
    )
    inputs = {"data": images.key}
    return (
        step_of(f"texts{suffix}", "texts", texts, inputs, recipe.name),
        step_of(f"latents{suffix}", "latents", latents, inputs, recipe.name),
    )


def _class_images(recipe: Recipe, train: Train, prior: Prior) -> Step:
    spec = SampleSpec(
        base=recipe.base,
        pins=pins(recipe.base),
        prompts=(Prompt(id="class", text=prior.prompt),),
        seeds=tuple(range(prior.seed, prior.seed + prior.images)),
        sampler=Sampler(
            steps=prior.sampler_steps,
            guidance=prior.guidance,
            width=train.resolution,
            height=train.resolution,
            precision=train.precision,
        ),
    )
    return step_of("class", "sample", spec, {}, recipe.name)


def _beside(recipe: Recipe, judgement: Judgement, sample: Step) -> dict[Side, Step]:
    """Return what is drawn beside the sample: by the base, of bare prompts, of captions."""
    spec, benchmark = sample.spec, judgement.benchmark
    assert isinstance(spec, SampleSpec)
    base, trained = bare_base(recipe, spec), dict(sample.inputs)
    drawn: dict[Side, tuple[SampleSpec, dict[str, str]]] = {}
    if benchmark.extraction is not None:
        drawn["captions"] = _asking(spec, judgement.extraction, benchmark.extraction), trained
    if trained or described(base) != described(spec):
        if benchmark.base:
            drawn["base"] = base, {}
        if benchmark.leakage is not None:
            unasked, theirs = (
                _asking(each, judgement.leakage, benchmark.leakage) for each in (spec, base)
            )
            drawn["bare"] = unasked.model_copy(update={"prompting": Prompting()}), trained
            drawn["bare-base"] = theirs, {}
    return {
        side: step_of(side, "sample", each, inputs, recipe.name)
        for side, (each, inputs) in drawn.items()
    }


def _asking(spec: SampleSpec, suites: Sequence[PromptSuite], asked: Asked) -> SampleSpec:
    """Return the same drawing of other prompts."""
    prompts = tuple(prompt for suite in suites for prompt in suite.prompts)
    return spec.model_copy(update={"prompts": prompts, "seeds": asked.seeds})


def bare_base(recipe: Recipe, spec: SampleSpec) -> SampleSpec:
    """Return what the base alone draws at the same prompts and seeds, without anyone's words."""
    vae = Base(model=spec.sampler.vae) if spec.sampler.vae else None
    return SampleSpec(
        base=recipe.base,
        pins=pins(recipe.base, None, vae),
        prompts=spec.prompts,
        seeds=spec.seeds,
        sampler=spec.sampler.model_copy(update={"adapter_scale": 1.0}),
    )


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
    return step_of("sample", "sample", spec, {"train": adapter} if adapter else {}, recipe.name)


def _judges_vae(judgement: Judgement) -> Base | None:
    vae = judgement.benchmark.sampler.vae
    return Base(model=vae) if vae else None


def _adapter(recipe: Recipe) -> str | None:
    attached = recipe.load.attached() if recipe.load else ()
    for each in attached:
        if not Path(each.file).is_file():
            raise UsageError(
                f"there is no adapter file {each.file}", hint="give a .safetensors file"
            )
    return recipe.load.digest() if recipe.load and attached else None


def judging(
    subject: str, sample: Step, judgement: Judgement, sides: Mapping[Side, Step]
) -> Iterator[Step]:
    """Yield the features of the sample and of what it is compared with, and the score."""
    inputs: dict[str, str] = {"sample": sample.key}
    inputs |= {side: step.key for side, step in sides.items()}
    for extractor in judgement.extractors():
        own = _looking("features", extractor, sample, subject)
        inputs[own.name] = own.key
        yield own
    for side, images in sides.items():
        for extractor in judgement.extractors(side):
            step = _looking(side, extractor, images, images.subject)
            inputs[step.name] = step.key
            yield step
    yield step_of("score", "score", ScoreSpec(metrics=judgement.metrics), inputs, subject)


def _looking(side: str, extractor: ExtractorSpec, images: Step, subject: str) -> Step:
    name, spec = f"{side}/{extractor_name(extractor)}", FeaturesSpec(extractor=extractor)
    return step_of(name, "features", spec, {"images": images.key}, subject)


def pictures_of(judgement: Judgement) -> dict[Side, Step]:
    """Return the collecting of the real pictures that a benchmark compares with."""
    found: dict[Side, Step] = {}
    sides: tuple[tuple[Side, Reference | None], ...] = (
        ("reference", judgement.benchmark.reference),
        ("originals", judgement.benchmark.originals),
    )
    for side, named in sides:
        if named is not None:
            spec = DataSpec(source=named.source, part=named.part, square=named.resolution)
            found[side] = step_of(side, "data", spec, {}, judgement.benchmark.name)
    return found


def plan_reference(judgement: Judgement) -> RunPlan:
    """Return the plan of looking at a benchmark's reference alone; it ends in no score."""
    name, pictures = judgement.benchmark.name, pictures_of(judgement).get("reference")
    if pictures is None:
        raise UsageError(f"{name} has no reference", hint="pocket-v1 and naruto-v1 have one")
    looks = [
        _looking("reference", each, pictures, name) for each in judgement.extractors("reference")
    ]
    protocol = described(judgement.benchmark.reference)
    return RunPlan(name, judgement, (pictures, *looks), digest(protocol)[:16], protocol)


def without(plan: RunPlan, lacking: Mapping[str, str]) -> RunPlan:
    """Return the plan that makes do without some features; `lacking` says why, by their key.

    Its score has another key, so that nothing is missing any more once they can be had.
    """
    if not lacking:
        return plan
    gone = {
        step.name.split("/", 1)[1]: lacking[step.key] for step in plan.steps if step.key in lacking
    }
    left = [
        step
        for step in plan.steps[:-1]
        if step.stage != "features" or step.name.split("/", 1)[1] not in gone
    ]
    names = {step.name for step in left}
    inputs = {part: key for part, key in plan.score.inputs.items() if part in names}
    spec = ScoreSpec(metrics=plan.judgement.metrics, unavailable=dict(sorted(gone.items())))
    return replace(plan, steps=(*left, step_of("score", "score", spec, inputs, plan.recipe)))


def protocol_of(judgement: Judgement, base: Base) -> dict[str, Any]:
    """Return everything two rows must share to be ranked together.

    The style of prompts stands there only where it is not the plain one of old signatures.
    """
    benchmark = judgement.benchmark
    plain = benchmark.sampler.prompt_style == "plain"
    return {
        "benchmark": benchmark.name,
        "suites": _contents(judgement.suites),
        "seeds": list(benchmark.seeds),
        "n": judgement.images,
        "sampler": benchmark.sampler.model_dump(
            mode="json", exclude={"prompt_style"} if plain else None
        ),
        "base": [base.model, base.revision, *pinned(base.model).values()],
        "vae": benchmark.sampler.vae or base.vae,
        "metrics": [described(metric) for metric in benchmark.metrics],
        "reference": described(benchmark.reference) if benchmark.reference else None,
        "originals": described(benchmark.originals) if benchmark.originals else None,
        "leakage": _asked(benchmark.leakage, judgement.leakage),
        "extraction": _asked(benchmark.extraction, judgement.extraction),
        "extractors": [described(extractor) for extractor in judgement.extractors()],
        "stages": {name: STAGES[name].version for name in ("data", "sample", "features", "score")},
    }


def _contents(suites: Sequence[PromptSuite]) -> dict[str, list[Any]]:
    return {suite.name: [suite.version, digest(described(suite.prompts))[:16]] for suite in suites}


def _asked(asked: Asked | None, suites: Sequence[PromptSuite]) -> dict[str, Any] | None:
    return {"suites": _contents(suites), "seeds": list(asked.seeds)} if asked else None


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


def step_of(name: str, stage: StageName, spec: Page, inputs: dict[str, str], subject: str) -> Step:
    return make_step(name, stage, STAGES[stage].version, spec, inputs, subject)
