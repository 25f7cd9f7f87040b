"""Time, memory and disk of one step on a GPU, stage by stage; pure.

Parameters, activations and FLOPs are counted from the layers; the speed is the GPU's. Short
steps, such as scoring, are left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.diffusion.anatomy import (
    FACTOR,
    WINDOW,
    Layer,
    flops,
    parameters,
    text_layers,
    unet_layers,
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
from harness.diffusion.shapes import (
    other_pipeline,
    texts_of,
    unet_of,
    vae_of,
    weights_of,
)
from harness.interfaces import StageContext
from harness.pages.benchmark import Sampler
from harness.pages.data import Caption, most
from harness.pages.recipe import Recipe
from harness.pages.stages import DataSpec, LatentsSpec, ProbeSpec, SampleSpec, TextsSpec, TrainSpec
from harness.pages.train import Train
from harness.pipeline.forecast.gpus import GB, Gpu, gpus
from harness.records import Step
from harness.training.specs import Adafactor

PNG = 1.6
"""Bytes of a pixel of a picture on disk."""
RANDOM_CROPS = 4
"""Views of a picture if the recipe crops at random."""
READINGS = 8
"""Captions of a picture if they vary and the page gives no number."""
ENCODING, DECODING = 4.65e6, 9.99e6
"""FLOPs of a pixel in SDXL's VAE at 1024 px, which has this many channels at full size:"""
ENCODER, DECODER = 128, 256
LATENT_PIXELS = 4 * 1024**2
"""Pixels that the VAE encodes at once."""


@dataclass(frozen=True)
class Cost:
    """What one step costs."""

    seconds: float = 0.0
    memory: float = 0.0
    """Bytes at its peak."""
    disk: float = 0.0
    images: int = 0
    optimizer_steps: int = 0
    step_seconds: float | None = None
    samples_per_pass: int | None = None
    complaints: tuple[str, ...] = ()
    uncounted: str | None = None


def cost_of(
    step: Step,
    recipe: Recipe,
    sizes: Mapping[str, int],
    gpu: Gpu,
    batch: int = StageContext.batch,
) -> Cost:
    """Return the cost of a step; `sizes` holds how many pictures each step makes, and `batch` is
    how many of them are drawn or looked at together."""
    spec, pictures = step.spec, sizes.get(step.inputs.get("data", step.key))
    if isinstance(spec, DataSpec):
        return _collecting(spec, recipe, pictures)
    if isinstance(spec, TextsSpec):
        return _texts(spec, pictures, gpu)
    if isinstance(spec, LatentsSpec):
        return _latents(spec, recipe.base.model, pictures, gpu, batch)
    if isinstance(spec, TrainSpec):
        return _training(spec.train, spec.base.model, gpu)
    if isinstance(spec, ProbeSpec):
        return _probing(spec, recipe.train, gpu, batch)
    return _sampling(spec, gpu, batch) if isinstance(spec, SampleSpec) else Cost()


def pictures_of(step: Step) -> int | None:
    """Return how many pictures a step makes at most; None if only running it can tell."""
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


def _texts(spec: TextsSpec, pictures: int | None, gpu: Gpu) -> Cost:
    if spec.base is None:
        return Cost()
    encoders, windows = texts_of(spec.base.model), spec.caption.chunks
    texts = 1 + (pictures or 0) * _readings(spec.caption)
    work = sum(flops(text_layers(text, windows)) for text in encoders)
    weights = sum(parameters(text_layers(text)) for text in encoders)
    half = spec.precision != "fp32" and not gpu.is_cpu
    row = windows * WINDOW * sum(text.width for text in encoders) + encoders[1].projection
    return Cost(
        seconds=texts * work / (gpu.sampling * (1 if half else gpu.single)),
        memory=weights * (2 if half else FP32) + LIBRARIES,
        disk=texts * row * 2,  # in fp16
    )


def _readings(caption: Caption) -> int:
    varies = caption.shuffle or caption.tag_dropout > 0
    return caption.variants or (READINGS if varies else 1)


def _latents(spec: LatentsSpec, model: str, pictures: int | None, gpu: Gpu, batch: int) -> Cost:
    vae, area = vae_of(model), spec.resolution**2
    views = (RANDOM_CROPS if spec.crop == "random" else 1) * (1 + spec.flip)
    at_once = max(1, min(batch, LATENT_PIXELS // (area * views))) * views * area
    seen = (pictures or 0) * views
    numbers = unet_of(model).ends[0] * area // FACTOR**2
    work = ENCODING * area * (vae.encoder / ENCODER) ** 2
    return Cost(
        seconds=seen * work / (gpu.sampling * gpu.single),
        memory=(vae.parameters + 3 * vae.encoder * at_once) * FP32 + LIBRARIES,
        disk=seen * numbers * 2 * 2,  # mean and spread, in fp16
    )


def _training(train: Train, model: str, gpu: Gpu) -> Cost:
    actual = as_run(train, gpu)
    samples = samples_per_pass(actual, model, gpu.budget)
    peak, step = memory_of(actual, model).peak(samples), _step_seconds(actual, model, samples, gpu)
    return Cost(
        seconds=train.steps * step,
        memory=peak,
        disk=_written(train, model),
        optimizer_steps=train.steps,
        step_seconds=step,
        samples_per_pass=samples,
        complaints=(*_too_large(actual, model, peak, gpu), *_cannot(train, gpu)),
    )


def as_run(train: Train, gpu: Gpu) -> Train:
    """Return the settings that training uses on `gpu`: a CPU always computes in fp32."""
    return train.model_copy(update={"precision": "fp32"}) if gpu.is_cpu else train


def _step_seconds(train: Train, model: str, samples: int, gpu: Gpu) -> float:
    """Return the seconds of an optimizer step: its FLOPs, or starting its kernels if longer."""
    side = train.resolution // FACTOR
    work = flops(unet_layers(unet_of(model), side, side))
    if train.trains_text:
        work += sum(flops(text_layers(text)) for text in texts_of(model))
    recomputed = 1 / int(train.gradient_checkpointing) if train.gradient_checkpointing else 0
    passes = (3 if train.method == "full" else 2) + recomputed
    speed = gpu.training * (gpu.single if train.precision == "fp32" else 1)
    total = samples_per_step(train)
    least = math.ceil(total / samples) * gpu.launch * (1 + passes)
    return max(total * work * passes / speed, least)


def _written(train: Train, model: str) -> float:
    """Return the bytes of the trained weights, the checkpoints and the resume state."""
    moving = trained_parameters(train, model)
    half = train.method == "full" or train.adapter_dtype == "bfloat16"
    checkpoints = train.steps // train.checkpoint_every if train.checkpoint_every else 0
    state = FP32 + upkeep(train).state + (FP32 if train.ema else 0)
    return moving * ((2 if half else FP32) * (1 + checkpoints) + state)


def _too_large(train: Train, model: str, peak: int, gpu: Gpu) -> tuple[str, ...]:
    if peak <= gpu.memory:
        return ()
    need = f"training needs {peak / GB:.1f} GB, {gpu.title} has {gpu.memory / GB:.1f} GB"
    return (f"{need}: {_advice(train, model, gpu)}",)


def _advice(train: Train, model: str, gpu: Gpu) -> str:
    """Return what would make it fit: one change of the page if that is enough, else other GPUs."""
    changes: dict[str, dict[str, object]] = {
        "turn gradient_checkpointing on": {"gradient_checkpointing": True},
        "compute in fp16": {"precision": "fp16"},
        "take optimizer adafactor": {"optimizer": Adafactor(use="adafactor")},
    }
    enough = [
        words
        for words, change in changes.items()
        if fits(train.model_copy(update=change), model, gpu)
    ]
    if enough:
        return ", or ".join(enough)
    larger = [
        each.title for each in gpus().values() if not each.is_cpu and fits(train, model, each)
    ]
    otherwise = "train a LoRA" if train.method == "full" else "lower resolution or rank"
    return f"{otherwise}, or take {' or '.join(larger)}" if larger else otherwise


def fits(train: Train, model: str, gpu: Gpu) -> bool:
    """Return whether training fits into the GPU's memory, at worst with one sample a pass."""
    samples = samples_per_pass(train, model, gpu.budget)
    return memory_of(train, model).peak(samples) <= gpu.memory


def _cannot(train: Train, gpu: Gpu) -> tuple[str, ...]:
    """Return what the GPU cannot do at all."""
    complaints = []
    if train.precision == "bf16" and not (gpu.has_bf16 or gpu.is_cpu):
        complaints.append(f"bf16 needs a card that can ({gpu.title} cannot): use precision fp16")
    if train.optimizer.use == "adamw-8bit" and gpu.is_cpu:
        complaints.append("optimizer adamw-8bit needs a GPU: use adamw")
    return tuple(complaints)


def _probing(spec: ProbeSpec, train: Train | None, gpu: Gpu, batch: int) -> Cost:
    """Return the cost of asking base and checkpoints; the pictures are as training cuts them."""
    side = (train.resolution if train else 1024) // FACTOR
    half = spec.precision != "fp32" and not gpu.is_cpu
    layers = list(unet_layers(unet_of(spec.base.model), side, side))
    asked = 2 * spec.rows * spec.timesteps * spec.noises * (2 + len(spec.checkpoints))
    speed = gpu.sampling * (1 if half else gpu.single)
    square = Sampler(steps=1, guidance=1.0, width=side * FACTOR, height=side * FACTOR)
    return Cost(
        seconds=asked * max(flops(layers) / speed, gpu.launch / batch),
        memory=_sampling_bytes(layers, square, spec.base.model, batch, half),
    )


def _sampling(spec: SampleSpec, gpu: Gpu, batch: int) -> Cost:
    sampler, model = spec.sampler, spec.base.model
    if (other := other_pipeline(model)) or sampler.scheduler == "own":
        return _sampling_unknown(spec, other or "this base")
    half = sampler.precision != "fp32" and not gpu.is_cpu
    area, count = sampler.width * sampler.height, len(spec.prompts) * len(spec.seeds)
    layers = list(unet_layers(unet_of(model), sampler.height // FACTOR, sampler.width // FACTOR))
    sides = 2 if sampler.guidance > 1 else 1
    speed = gpu.sampling * (1 if half else gpu.single)
    drawing = sampler.steps * sides * flops(layers) / speed
    together = min(count, batch)
    least = sampler.steps * gpu.launch / together
    decoding = DECODING * area * (vae_of(model).decoder / DECODER) ** 2

    def peak_of(images: int) -> int:
        return _sampling_bytes(layers, sampler, model, sides * images, half)

    return Cost(
        seconds=count * (max(drawing, least) + decoding / (gpu.sampling * gpu.single)),
        memory=peak_of(together),
        disk=count * PNG * area,
        images=count,
        complaints=_too_many(together, peak_of, gpu),
    )


def _sampling_unknown(spec: SampleSpec, pipeline: str) -> Cost:
    """Return the cost of drawing with a base whose layers are not counted.

    Its weights must not fit into the GPU: what does not waits in main memory.
    """
    count = len(spec.prompts) * len(spec.seeds)
    weights = weights_of(spec.base.model)
    known = "memory is that of its weights" if weights else "memory is not known"
    return Cost(
        memory=weights + LIBRARIES if weights else 0,
        disk=count * PNG * spec.sampler.width * spec.sampler.height,
        images=count,
        uncounted=f"drawing with {pipeline} is not timed, and its {known}",
    )


def _too_many(images: int, peak_of: Callable[[int], int], gpu: Gpu) -> tuple[str, ...]:
    """Say that so many images do not fit together, and which number does."""
    if peak_of(images) <= gpu.memory:
        return ()
    fewer = next((n for n in range(images - 1, 0, -1) if peak_of(n) <= gpu.memory), None)
    need = f"sampling needs {peak_of(images) / GB:.1f} GB, {gpu.title} has {gpu.memory / GB:.1f} GB"
    return (f"{need}: {f'pass --batch {fewer}' if fewer else 'take a larger card'}",)


def sampling_memory(spec: SampleSpec, count: int, half: bool) -> int:
    """Return the peak memory in bytes of drawing `count` images at once."""
    sampler, model = spec.sampler, spec.base.model
    layers = list(unet_layers(unet_of(model), sampler.height // FACTOR, sampler.width // FACTOR))
    return _sampling_bytes(layers, sampler, model, (1 + (sampler.guidance > 1)) * count, half)


def _sampling_bytes(
    layers: list[Layer], sampler: Sampler, model: str, at_once: int, half: bool
) -> int:
    """Return the peak: the UNet on a whole batch, or the VAE in fp32 on one image."""
    width, vae = (2 if half else FP32), vae_of(model)
    texts = sum(parameters(text_layers(text)) for text in texts_of(model))
    skips = sum(layer.size_out for layer in layers if _has_skip(layer))
    widest = max(2 * layer.size_in + layer.size_out for layer in layers)
    one = 3 * vae.decoder * sampler.width * sampler.height * FP32
    weights = (parameters(layers) + texts) * width + vae.parameters * FP32 + LIBRARIES
    return weights + max(at_once * (skips + widest) * width, one)


def _has_skip(layer: Layer) -> bool:
    """Return whether the output of a layer is kept for a skip connection."""
    ends = (".conv2", ".downsamplers.0.conv")
    return layer.name.startswith("down_blocks") and layer.name.endswith(ends)
