"""What one step takes on a card, stage by stage: time, memory and disk; pure.

Parameters, activations and FLOPs are counted, speeds are the card's. What reads little and runs
short, such as scoring, is left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from harness.diffusion.anatomy import (
    FACTOR,
    WORDS,
    Layer,
    flops,
    parameters,
    text_layers,
    texts_of,
    unet_layers,
    unet_of,
    vae_of,
)
from harness.diffusion.memory import (
    FP32,
    LIBRARIES,
    memory_of,
    samples_per_pass,
    samples_per_step,
    trained_parameters,
    upkeep,
)
from harness.pages.benchmark import Sampler
from harness.pages.data import Caption, most
from harness.pages.recipe import Recipe
from harness.pages.stages import DataSpec, LatentsSpec, SampleSpec, TextsSpec, TrainSpec
from harness.pages.train import Train
from harness.pipeline.forecast.cards import CARDS, GB, Card
from harness.pipeline.run import Settings
from harness.records import Step
from harness.training.specs import Adafactor

PNG = 1.6
"""Bytes a pixel of a picture on disk."""
RANDOM_CROPS = 4
"""Views of a picture where the recipe crops at random."""
READINGS = 8
"""Readings of a picture's words where they vary and the page gives no number."""
ENCODING, DECODING = 4.65e6, 9.99e6
"""FLOPs a pixel of SDXL's VAE at 1024 px, which has this many channels at full size:"""
ENCODER, DECODER = 128, 256
LATENT_PIXELS = 4 * 1024**2
"""Pixels that the VAE encodes at once."""


@dataclass(frozen=True)
class Cost:
    """What one step takes."""

    seconds: float = 0.0
    memory: float = 0.0
    """Bytes at its worst moment."""
    disk: float = 0.0
    images: int = 0
    optimizer_steps: int = 0
    step_seconds: float | None = None
    samples_per_pass: int | None = None
    complaints: tuple[str, ...] = ()
    uncounted: str | None = None


def cost_of(step: Step, recipe: Recipe, sizes: Mapping[str, int], card: Card) -> Cost:
    """Return what a step takes; `sizes` says how many pictures the steps before it leave."""
    spec, pictures = step.spec, sizes.get(step.inputs.get("data", step.key))
    if isinstance(spec, DataSpec):
        return _collecting(spec, recipe, pictures)
    if isinstance(spec, TextsSpec):
        return _texts(spec, pictures, card)
    if isinstance(spec, LatentsSpec):
        return _latents(spec, recipe.base.model, pictures, card)
    if isinstance(spec, TrainSpec):
        return _training(spec.train, spec.base.model, card)
    return _sampling(spec, card) if isinstance(spec, SampleSpec) else Cost()


def pictures_of(step: Step) -> int | None:
    """Return how many pictures a step leaves at most, where that is known before it has run."""
    spec = step.spec
    if isinstance(spec, SampleSpec):
        return len(spec.prompts) * len(spec.seeds)
    if not isinstance(spec, DataSpec):
        return None
    return most(spec.source, spec.booster, spec.part, spec.curate, spec.boosters)


def _collecting(spec: DataSpec, recipe: Recipe, count: int | None) -> Cost:
    side = spec.square or (recipe.train.resolution if recipe.train else 1024)
    if count is None:
        return Cost(uncounted="sets of unknown size are not counted")
    return Cost(disk=count * PNG * side**2)


def _texts(spec: TextsSpec, pictures: int | None, card: Card) -> Cost:
    if spec.base is None:
        return Cost()
    encoders, windows = texts_of(spec.base.model), spec.caption.chunks
    texts = 1 + (pictures or 0) * _readings(spec.caption)
    work = sum(flops(text_layers(text, windows)) for text in encoders)
    held = sum(parameters(text_layers(text)) for text in encoders)
    row = windows * WORDS * sum(text.width for text in encoders) + encoders[1].projection
    return Cost(
        seconds=texts * work / card.sampling,
        memory=held * (FP32 if card.is_cpu else 2) + LIBRARIES,
        disk=texts * row * 2,  # in fp16
    )


def _readings(caption: Caption) -> int:
    varies = caption.shuffle or caption.tag_dropout > 0
    return caption.variants or (READINGS if varies else 1)


def _latents(spec: LatentsSpec, model: str, pictures: int | None, card: Card) -> Cost:
    vae, area = vae_of(model), spec.resolution**2
    views = (RANDOM_CROPS if spec.crop == "random" else 1) * (1 + spec.flip)
    at_once = max(1, min(Settings.batch, LATENT_PIXELS // (area * views))) * views * area
    seen = (pictures or 0) * views
    numbers = unet_of(model).ends[0] * area // FACTOR**2
    work = ENCODING * area * (vae.encoder / ENCODER) ** 2
    return Cost(
        seconds=seen * work / (card.sampling * card.single),
        memory=(vae.parameters + 3 * vae.encoder * at_once) * FP32 + LIBRARIES,
        disk=seen * numbers * 2 * 2,  # mean and spread, in fp16
    )


def _training(train: Train, model: str, card: Card) -> Cost:
    there = as_run(train, card)
    samples = samples_per_pass(there, model, card.budget)
    peak, step = memory_of(there, model).peak(samples), _step_seconds(there, model, samples, card)
    return Cost(
        seconds=train.steps * step,
        memory=peak,
        disk=_written(train, model),
        optimizer_steps=train.steps,
        step_seconds=step,
        samples_per_pass=samples,
        complaints=(*_too_large(there, model, peak, card), *_cannot(train, card)),
    )


def as_run(train: Train, card: Card) -> Train:
    """Return the page's figures as they are used: a CPU computes in fp32 whatever they say."""
    return train.model_copy(update={"precision": "fp32"}) if card.is_cpu else train


def _step_seconds(train: Train, model: str, samples: int, card: Card) -> float:
    """Return the seconds of an optimizer step: FLOPs, or starting kernels where those are few."""
    side = train.resolution // FACTOR
    work = flops(unet_layers(unet_of(model), side, side))
    if train.trains_text:
        work += sum(flops(text_layers(text)) for text in texts_of(model))
    again = 1 / int(train.gradient_checkpointing) if train.gradient_checkpointing else 0
    passes = (3 if train.method == "full" else 2) + again
    speed = card.training * (card.single if train.precision == "fp32" else 1)
    total = samples_per_step(train)
    least = math.ceil(total / samples) * card.launch * (1 + passes)
    return max(total * work * passes / speed, least)


def _written(train: Train, model: str) -> float:
    """Return the bytes of what is learned, of its checkpoints and of the state to go on from."""
    moving = trained_parameters(train, model)
    half = train.method == "full" or train.adapter_dtype == "bfloat16"
    checkpoints = train.steps // train.checkpoint_every if train.checkpoint_every else 0
    state = FP32 + upkeep(train).state + (FP32 if train.ema else 0)
    return moving * ((2 if half else FP32) * (1 + checkpoints) + state)


def _too_large(train: Train, model: str, peak: int, card: Card) -> tuple[str, ...]:
    if peak <= card.memory:
        return ()
    need = f"training needs {peak / GB:.1f} GB, {card.title} has {card.memory / GB:.1f} GB"
    return (f"{need}: {_advice(train, model, card)}",)


def _advice(train: Train, model: str, card: Card) -> str:
    """Return what would make it fit: changes of the page where one is enough, else other cards."""
    changes: dict[str, dict[str, object]] = {
        "turn gradient_checkpointing on": {"gradient_checkpointing": True},
        "compute in fp16": {"precision": "fp16"},
        "take optimizer adafactor": {"optimizer": Adafactor(use="adafactor")},
    }
    enough = [
        words
        for words, change in changes.items()
        if fits(train.model_copy(update=change), model, card)
    ]
    if enough:
        return ", or ".join(enough)
    larger = [each.title for each in CARDS.values() if not each.is_cpu and fits(train, model, each)]
    otherwise = "train a LoRA" if train.method == "full" else "lower resolution or rank"
    return f"{otherwise}, or take {' or '.join(larger)}" if larger else otherwise


def fits(train: Train, model: str, card: Card) -> bool:
    """Return whether training holds on the card, if need be sample by sample."""
    samples = samples_per_pass(train, model, card.budget)
    return memory_of(train, model).peak(samples) <= card.memory


def _cannot(train: Train, card: Card) -> tuple[str, ...]:
    """Return what the card cannot do at all."""
    found = []
    if train.precision == "bf16" and not (card.has_bf16 or card.is_cpu):
        found.append(f"bf16 needs a card that can ({card.title} cannot): use precision fp16")
    if train.optimizer.use == "adamw-8bit" and card.is_cpu:
        found.append("optimizer adamw-8bit needs a GPU: use adamw")
    return tuple(found)


def _sampling(spec: SampleSpec, card: Card) -> Cost:
    sampler, model = spec.sampler, spec.base.model
    half = sampler.precision != "fp32" and not card.is_cpu
    area, count = sampler.width * sampler.height, len(spec.prompts) * len(spec.seeds)
    layers = list(unet_layers(unet_of(model), sampler.height // FACTOR, sampler.width // FACTOR))
    sides = 2 if sampler.guidance > 1 else 1
    speed = card.sampling * (1 if half else card.single)
    drawing = sampler.steps * sides * flops(layers) / speed
    least = sampler.steps * card.launch / min(count, Settings.batch)
    decoding = DECODING * area * (vae_of(model).decoder / DECODER) ** 2
    peak = _sampling_bytes(layers, sampler, model, sides * min(count, Settings.batch), half)
    what = f"sampling needs {peak / GB:.1f} GB, {card.title} has {card.memory / GB:.1f} GB"
    return Cost(
        seconds=count * (max(drawing, least) + decoding / (card.sampling * card.single)),
        memory=peak,
        disk=count * PNG * area,
        images=count,
        complaints=(f"{what}: take a larger card",) if peak > card.memory else (),
    )


def _sampling_bytes(
    layers: list[Layer], sampler: Sampler, model: str, at_once: int, half: bool
) -> int:
    """Return the worst moment: the UNet on a whole batch, or the VAE in fp32 on one image."""
    width, vae = (2 if half else FP32), vae_of(model)
    texts = sum(parameters(text_layers(text)) for text in texts_of(model))
    skipped = sum(layer.given for layer in layers if _is_skipped(layer))
    widest = max(2 * layer.read + layer.given for layer in layers)
    one = 3 * vae.decoder * sampler.width * sampler.height * FP32
    held = (parameters(layers) + texts) * width + vae.parameters * FP32 + LIBRARIES
    return held + max(at_once * (skipped + widest) * width, one)


def _is_skipped(layer: Layer) -> bool:
    """Return whether what a layer gives waits for the way up."""
    ends = (".conv2", ".downsamplers.0.conv")
    return layer.name.startswith("down_blocks") and layer.name.endswith(ends)
