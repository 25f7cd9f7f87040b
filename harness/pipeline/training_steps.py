"""The steps that train: sets collected and prepared, class images drawn, and the training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.diffusion.shapes import image_size
from harness.pages.benchmark import Prompt, Sampler
from harness.pages.data import Caption, Data
from harness.pages.recipe import Base, Recipe
from harness.pages.stages import DataSpec, LatentsSpec, SampleSpec, TextsSpec, TrainSpec
from harness.pages.train import Prior, Train
from harness.pipeline.probe_steps import (
    HELD,
    data_sets,
    held_out_rows,
    held_share,
    probe_step,
    validation_of,
)
from harness.pipeline.steps import pins, pins_of, step_of
from harness.records import Step, StepName


def collected(recipe: Recipe) -> Step | None:
    """Return the step that collects what a recipe learns from first."""
    return next((step for step in training_steps(recipe) if step.stage == "data"), None)


def training_steps(recipe: Recipe) -> list[Step]:
    """Return what training needs, set by set; at the end the training, and its loss probe."""
    train, data = recipe.train, recipe.data
    if train is None or data is None:
        return []
    steps: list[Step] = []
    inputs: dict[str, str] = {}
    chosen, distinct = [phase.of(data) for phase in train.phases], data_sets(recipe)
    for index, each in enumerate(distinct):
        name = f"{index + 1}" if index else ""
        rows = DataSpec(
            source=each.source,
            booster=each.booster,
            part=each.part,
            curate=each.curate,
            boosters=each.boosters,
            recaption=each.recaption,
            without=each.without,
            reading=each.reading,
            validation=held_share(recipe),
        )
        collected = step_of(StepName("data", name), "data", rows, {}, recipe.name)
        prepared = prepared_steps(recipe, train, collected, each.caption, name)
        steps += [collected, *prepared]
        inputs |= _as_inputs(prepared, f"{index}")
    if train.prior is not None:
        drawn = _class_images(recipe, train, train.prior)
        prepared = prepared_steps(
            recipe, train, drawn, Caption(chunks=data.caption.chunks), "class"
        )
        steps += [drawn, *prepared]
        inputs |= _as_inputs(prepared, "class")
    spec = TrainSpec(
        base=recipe.base,
        pins=pins(recipe.base),
        train=train,
        phase_sets=tuple(distinct.index(each) for each in chosen),
        caption_dropouts=tuple(each.caption.dropout for each in distinct),
        chunks=data.caption.chunks,
    )
    step = step_of("train", "train", spec, inputs, recipe.name)
    held, prepared_out = _held_out(recipe, train, chosen[-1])
    if not held:
        return [*steps, step]
    beside = prepared_out if train.validate_every is not None else {}
    step = replace(step, beside=beside)
    return [*steps, *held, step, probe_step(recipe, step, prepared_out)]


def _held_out(recipe: Recipe, train: Train, data: Data) -> tuple[list[Step], dict[str, str]]:
    """Return the steps that prepare what is held out of `data`, and the probe's inputs of them."""
    validation = validation_of(recipe)
    if validation is None:
        return [], {}
    rows = held_out_rows(validation, data)
    collected = step_of(StepName("data", HELD), "data", rows, {}, recipe.name)
    prepared = prepared_steps(recipe, train, collected, data.caption, HELD)
    return [collected, *prepared], _as_inputs(prepared, HELD)


def _as_inputs(prepared: Sequence[Step], name: str) -> dict[str, str]:
    """Return a prepared set as the training step's inputs, where sets are counted from 0."""
    return {str(StepName(step.title.role, name)): step.key for step in prepared}


def prepared_steps(
    recipe: Recipe, train: Train, images: Step, caption: Caption, name: str
) -> tuple[Step, Step]:
    """Return the two steps that make a set ready to be trained on: its texts and its latents.

    Texts come first, so that the text encoders are gone when the VAE is loaded.
    """
    base = recipe.base
    vae = Base(
        model=base.vae or base.model,
        revision=base.revision,
        vae=base.vae,
        vae_revision=base.vae_revision,
    )
    encoders = None if train.trains_text else Base(model=base.model, revision=base.revision)
    vae_pins = pins(vae) if base.vae else pins_of(base.model, "vae")
    parts = ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")
    texts = TextsSpec(
        caption=caption.model_copy(update={"dropout": 0.0}),
        base=encoders,
        pins=pins_of(base.model, *parts) if encoders else {},
        precision=train.precision if encoders else "fp32",
    )
    latents = LatentsSpec(
        vae=vae,
        pins=vae_pins,
        resolution=train.resolution,
        crop=train.crop,
        flip=train.flip,
        buckets=train.buckets,
    )
    inputs = {"data": images.key}
    return (
        step_of(StepName("texts", name), "texts", texts, inputs, recipe.name),
        step_of(StepName("latents", name), "latents", latents, inputs, recipe.name),
    )


def _class_images(recipe: Recipe, train: Train, prior: Prior) -> Step:
    """Return the drawing of class images, at the size that the base was made for."""
    size = prior.size or image_size(recipe.base.model)
    spec = SampleSpec(
        base=recipe.base,
        pins=pins(recipe.base),
        prompts=(Prompt(id="class", text=prior.prompt),),
        seeds=tuple(range(prior.seed, prior.seed + prior.images)),
        sampler=Sampler(
            steps=prior.sampler_steps,
            guidance=prior.guidance,
            width=size,
            height=size,
            precision=train.precision,
        ),
    )
    return step_of("class", "sample", spec, {}, recipe.name)
