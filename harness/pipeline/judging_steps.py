"""The steps that judge: images drawn, real pictures collected, features read, and the score."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness.errors import UsageError
from harness.interfaces import ExtractorSpec, Side
from harness.keys import described, extractor_name
from harness.pages.benchmark import Asked, Judgement, PromptSuite, Reference
from harness.pages.recipe import Base, Prompting, Recipe
from harness.pages.stages import (
    MOST_DECOYS,
    DamageSpec,
    DataSpec,
    DecoysSpec,
    FeaturesSpec,
    SampleSpec,
    SanitySpec,
    ScoreSpec,
)
from harness.pipeline.steps import pins, step_of
from harness.records import Step, StepName


def comparison_steps(
    recipe: Recipe,
    judgement: Judgement,
    sample: Step,
    base_seeds: tuple[int, ...] | None = None,
) -> dict[Side, Step]:
    """Return what is drawn beside the sample: by the base, of bare prompts, of captions.

    The base draws with `base_seeds`, else with the sample's.
    """
    spec, benchmark = sample.spec, judgement.benchmark
    assert isinstance(spec, SampleSpec)
    base, trained = bare_base(recipe, spec), dict(sample.inputs)
    if base_seeds is not None:
        base = base.model_copy(update={"seeds": base_seeds})
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


def sampling_step(
    recipe: Recipe, judgement: Judgement, adapter: str | None, checkpoint: int | None
) -> Step:
    train = recipe.train
    spec = SampleSpec(
        base=recipe.base,
        pins=pins(recipe.base, recipe.load, _judges_vae(judgement)),
        load=recipe.load,
        adapter_digest=adapter_digest(recipe),
        checkpoint=checkpoint,
        prediction=train.prediction if train else None,
        zero_terminal_snr=train.zero_terminal_snr if train else False,
        prompting=recipe.prompting,
        prompts=tuple(judgement.prompts),
        seeds=judgement.benchmark.seeds,
        sampler=judgement.sampler,
    )
    return step_of("sample", "sample", spec, {"train": adapter} if adapter else {}, recipe.name)


def _judges_vae(judgement: Judgement) -> Base | None:
    vae = judgement.sampler.vae
    return Base(model=vae) if vae else None


def adapter_digest(recipe: Recipe) -> str | None:
    attached = recipe.load.attached() if recipe.load else ()
    for each in attached:
        if not Path(each.file).is_file():
            raise UsageError(
                f"there is no adapter file {each.file}", hint="give a .safetensors file"
            )
    return recipe.load.digest() if recipe.load and attached else None


def judging_steps(
    subject: str, sample: Step, judgement: Judgement, sides: Mapping[Side, Step]
) -> Iterator[Step]:
    """Yield the features of the sample and of what it is compared with, and the score."""
    inputs: dict[str, str] = {"sample": sample.key}
    inputs |= {side: step.key for side, step in sides.items()}
    for extractor in judgement.extractors():
        own = features_step("sample", extractor, sample, subject)
        inputs[own.name] = own.key
        yield own
    for side, images in sides.items():
        for extractor in judgement.extractors(side):
            step = features_step(side, extractor, images, images.subject)
            inputs[step.name] = step.key
            yield step
    yield step_of("score", "score", ScoreSpec(metrics=judgement.metrics), inputs, subject)


def decoy_steps(
    judgement: Judgement, sides: Mapping[Side, Step], other: Step | None
) -> tuple[Step, ...]:
    """Return the collecting of pictures in other styles, all of them last, if a metric asks.

    `other` draws pictures of another style: the bare base.
    """
    named = judgement.benchmark.decoys
    asked = any("decoys" in metric.reads for metric in judgement.metrics)
    if not asked or "reference" not in sides or (other is None and not named):
        return ()
    name = judgement.benchmark.name
    sets = tuple(_collecting(f"decoys-{at}", each, name) for at, each in enumerate(named, 1))
    inputs = {"reference": sides["reference"].key} | {step.name: step.key for step in sets}
    inputs |= {} if other is None else {"base": other.key}
    return *sets, step_of("decoys", "decoys", DecoysSpec(count=MOST_DECOYS), inputs, name)


def sanity_steps(
    judgement: Judgement,
    sides: Mapping[Side, Step],
    other: Step | None,
    decoys: Sequence[Step] = (),
) -> Iterator[Step]:
    """Yield the reference's features in every extractor, and the sanity card of the metrics.

    `other` draws pictures of another style: the bare base. Without a reference there is no card.
    Those `decoys` that real pictures are collected for are made anew, from half of the reference.
    """
    if "reference" not in sides:
        return
    name = judgement.benchmark.name
    inputs = {side: sides[side].key for side in ("reference", "originals") if side in sides}
    inputs |= {} if other is None else {"other": other.key}
    inputs |= {step.name: step.key for step in decoys if step.stage == "data"}
    for extractor in judgement.extractors():  # a network that cannot be had is then known
        step = features_step("reference", extractor, sides["reference"], name)
        inputs[step.name] = step.key
        yield step
    seeds = len(judgement.benchmark.seeds)
    spec = SanitySpec(metrics=judgement.metrics, count=judgement.images, seeds=seeds)
    yield step_of("sanity", "sanity", spec, inputs, name)


def features_step(side: str, extractor: ExtractorSpec, images: Step, subject: str) -> Step:
    name = StepName.of_features(side, extractor_name(extractor))
    return step_of(
        name, "features", FeaturesSpec(extractor=extractor), {"images": images.key}, subject
    )


def real_picture_steps(judgement: Judgement) -> dict[Side, Step]:
    """Return the collecting of the real pictures that a benchmark compares with."""
    steps: dict[Side, Step] = {}
    sides: tuple[tuple[Side, Reference | None], ...] = (
        ("reference", judgement.benchmark.reference),
        ("originals", judgement.benchmark.originals),
    )
    for side, named in sides:
        if named is not None:
            steps[side] = _collecting(side, named, judgement.benchmark.name)
    if any("damaged" in metric.reads for metric in judgement.metrics):
        steps["damaged"] = _damaging(steps["reference"])
    return steps


def _damaging(reference: Step) -> Step:
    inputs = {"images": reference.key}
    return step_of("damaged", "damage", DamageSpec(), inputs, reference.subject)


def _collecting(name: str, named: Reference, benchmark: str) -> Step:
    spec = DataSpec(source=named.source, part=named.part, square=named.resolution)
    return step_of(name, "data", spec, {}, benchmark)
