"""The steps of the loss probe: pictures that are held out, and the losses of every checkpoint."""

from __future__ import annotations

import math

from harness.pages.data import Curate, Data, Subset, most
from harness.pages.recipe import Recipe
from harness.pages.stages import DataSpec, ProbeSpec
from harness.pages.train import Train
from harness.pages.validation import HeldShare, Validation
from harness.pipeline.steps import pins, step_of
from harness.records import Step, StepName

HELD = "held"
"""The name of the set of pictures that are held out, beside the sets that are trained on."""
SPARE = 1.5
"""How many more pictures are drawn than are asked about, where a set is large."""


def validation_of(recipe: Recipe) -> Validation | None:
    """Return what the probe of a recipe asks about; None where nothing is held out."""
    train, data = recipe.train, recipe.data
    if train is None or data is None:
        return None
    if train.validation is None and {phase.of(data).part for phase in train.phases} == {"train"}:
        return Validation()
    return train.validation


def held_share(recipe: Recipe) -> HeldShare | None:
    """Return which rows of every set are trained on, where a share of them is held out."""
    validation = validation_of(recipe)
    if validation is None or validation.share is None:
        return None
    return HeldShare(share=validation.share, side="trained")


def held_out_rows(validation: Validation, data: Data) -> DataSpec:
    """Return the rows that are held out of `data`, no more than the probe asks about."""
    if validation.source is not None:
        rules = Curate(limit=validation.rows)
        return DataSpec(source=validation.source, curate=rules, reading=data.reading)
    share = validation.share
    return DataSpec(
        source=data.source,
        booster=data.booster,
        part="held-out" if share is None else data.part,
        curate=_few(validation, data),
        recaption=data.recaption,
        reading=data.reading,
        validation=None if share is None else HeldShare(share=share, side="held-out"),
    )


def _few(validation: Validation, data: Data) -> Curate:
    """Return the rules of `data` with a limit; rows come from all over a set of known size."""
    part, own = "held-out" if validation.share is None else data.part, data.curate
    there = most(data.source, data.booster, part, own.model_copy(update={"limit": None}))
    rules: dict[str, object] = {"limit": validation.rows}
    if there is not None and own.subset is None:
        share = math.ceil(1000 * SPARE * validation.rows / (there * (validation.share or 1))) / 1000
        rules["subset"] = Subset(share=share, salt="validation") if share < 1 else None
    return own.model_copy(update=rules)


def probe_step(recipe: Recipe, train_step: Step, held: dict[str, str]) -> Step:
    """Return the step that asks the base and every kept checkpoint of a training."""
    train, data, validation = recipe.train, recipe.data, validation_of(recipe)
    assert train is not None
    assert data is not None
    assert validation is not None
    spec = ProbeSpec(
        base=recipe.base,
        pins=pins(recipe.base),
        checkpoints=checkpoints(train),
        steps=train.steps,
        prediction=train.prediction,
        zero_terminal_snr=train.zero_terminal_snr,
        precision=train.precision,
        reads_text=train.trains_text,
        tokens=train.tokens,
        chunks=data.caption.chunks,
        sets=len(data_sets(recipe)),
        rows=validation.rows,
        timesteps=validation.timesteps,
        noises=validation.noises,
    )
    class_images = {str(StepName(role, "class")) for role in ("texts", "latents")}
    sets = {name: key for name, key in train_step.inputs.items() if name not in class_images}
    inputs = {**sets, **held, "train": train_step.key}
    return step_of("probe", "probe", spec, inputs, recipe.name)


def checkpoints(train: Train) -> tuple[int, ...]:
    """Return the steps of the checkpoints that a training keeps, before its end."""
    every = train.checkpoint_every
    return () if every is None else tuple(range(every, train.steps, every))


def data_sets(recipe: Recipe) -> list[Data]:
    """Return each set that some phase learns from, once, in the order of the phases."""
    train, data = recipe.train, recipe.data
    assert train is not None
    assert data is not None
    chosen = [phase.of(data) for phase in train.phases]
    return [each for at, each in enumerate(chosen) if each not in chosen[:at]]
