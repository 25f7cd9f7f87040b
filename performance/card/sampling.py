"""Sampling: images a second by our sampler, and by the plain pipeline with the same settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionXLPipeline

from card import sdxl
from card.figures import Context, Figure, attempt
from card.trial import share_of_ceiling
from harness.diffusion.anatomy import FACTOR, flops, unet_layers
from harness.diffusion.sampler import ImageSampler, Request
from harness.diffusion.shapes import unet_of
from harness.pages.benchmark import Prompt, Sampler
from harness.pages.recipe import Base
from harness.pages.stages import SampleSpec
from harness.pipeline.forecast.costs import sampling_memory

PART = "sampling"
GUIDANCE = 7.0
NEGATIVE = "lowres, bad hands"
TEXT = "1girl, red hair, blue jacket, standing on a bridge, number {}"
LEVELS = 255
CASE = 6.0
"""Seconds that a case may need at the least."""
DRAWINGS = 3.5
"""What a case costs, in drawings of all steps: ours, the plain one, and what is not counted."""


@dataclass(frozen=True)
class Steps:
    """How many steps an image takes, and two shorter drawings by which that is foretold."""

    all: int
    short: int
    long: int


@dataclass(frozen=True)
class Case:
    """So many images of one size at once."""

    width: int
    height: int
    batch: int

    @property
    def name(self) -> str:
        return f"{self.width}x{self.height}-b{self.batch}"

    @property
    def requests(self) -> list[Request]:
        """Return the images to draw, each with a prompt of its own."""
        return [Request(f"p{number}", number, TEXT.format(number)) for number in range(self.batch)]


def figures(context: Context) -> Iterator[Figure]:
    """Measure every size and batch by both; then one image alone and in a batch."""
    yield from attempt(context, PART, "all", lambda: _figures(context), CASE)


def _figures(context: Context) -> Iterator[Figure]:
    pipeline = sdxl.pipeline(context.base, context.device, _dtype(context))
    every = cases(context)
    for number, case in enumerate(every):
        room = context.deadline.left / (len(every) - number + 1) / DRAWINGS
        if number == 1:
            yield from _company(context, pipeline, every[0])
        yield from _compared(context, pipeline, case, room)


def cases(context: Context) -> list[Case]:
    """Return the cases in the order of their worth; `_company` draws the first one again."""
    if context.is_dry:
        return [Case(64, 64, 2), Case(64, 96, 1)]
    sizes = [Case(1024, 1024, batch) for batch in (4, 1, 8)]
    return [*sizes, *(Case(832, 1216, batch) for batch in (4, 1, 8))]


def _steps(context: Context) -> Steps:
    return Steps(4, 1, 2) if context.is_dry else Steps(30, 2, 8)


def _dtype(context: Context) -> torch.dtype:
    return torch.float32 if context.device == "cpu" else torch.float16


def _precision(context: Context) -> Any:
    return "fp32" if context.device == "cpu" else "fp16"


def _sampler(context: Context, case: Case, steps: int) -> Sampler:
    return Sampler(
        steps=steps,
        guidance=GUIDANCE,
        width=case.width,
        height=case.height,
        negative=NEGATIVE,
        precision=_precision(context),
    )


def _compared(
    context: Context, pipeline: StableDiffusionXLPipeline, case: Case, room: float
) -> Iterator[Figure]:
    """Yield our speed, then that of the plain pipeline with the ratio of both."""
    speed: float | None = None
    for figure in attempt(
        context, PART, case.name, lambda: _ours(context, pipeline, case, room), CASE
    ):
        speed = figure.value
        yield figure
    name = f"{case.name}-plain"
    yield from attempt(
        context, PART, name, lambda: _plain(context, pipeline, case, room, speed), CASE
    )


def _ours(
    context: Context, pipeline: StableDiffusionXLPipeline, case: Case, room: float
) -> Iterator[Figure]:
    pipeline.unet.to(memory_format=torch.channels_last)
    finite: list[bool] = []

    def draw(steps: int) -> None:
        drawn = ImageSampler(pipeline, _sampler(context, case, steps), context.device)
        finite.extend(image is not None for image in drawn.draw(case.requests))

    facts = _timed(context, case, draw, room)
    facts |= _memory(context, case) | {"finite_images": sum(finite) / len(finite)}
    facts["forecast"] = {"sampling_flops": facts["tflops"] * 1e12}
    yield Figure(PART, case.name, case.batch / facts["seconds"], "images/s", facts)


def _plain(
    context: Context,
    pipeline: StableDiffusionXLPipeline,
    case: Case,
    room: float,
    ours: float | None,
) -> Iterator[Figure]:
    """Measure the pipeline as it comes: channels first, prompts encoded at every call, and a VAE
    in the UNet's precision that the pipeline itself brings to fp32 and decodes a batch with."""
    pipeline.unet.to(memory_format=torch.contiguous_format)
    own_vae = pipeline.vae
    decoder = sdxl.vae(context.base, context.device, _dtype(context))
    pipeline.vae = decoder.to(memory_format=torch.contiguous_format)

    def draw(steps: int) -> None:
        pipeline(
            prompt=[request.text for request in case.requests],
            negative_prompt=[NEGATIVE] * case.batch,
            generator=[torch.Generator().manual_seed(request.seed) for request in case.requests],
            num_inference_steps=steps,
            guidance_scale=GUIDANCE,
            width=case.width,
            height=case.height,
            output_type="np",
        )

    try:
        facts = _timed(context, case, draw, room) | {"peak_bytes": context.peak_memory}
    finally:
        pipeline.vae = own_vae
    speed = case.batch / facts["seconds"]
    if ours is not None:
        ratio = ours / speed
        facts |= {"ours_over_plain": ratio, "note": f"ours is {ratio:.2f} times as fast"}
    yield Figure(PART, f"{case.name}-plain", speed, "images/s", facts)


def _timed(
    context: Context, case: Case, draw: Callable[[int], None], room: float
) -> dict[str, Any]:
    """Return the seconds of a batch; of all its steps, or foretold where that takes too long."""
    steps = _steps(context)
    draw(steps.short)  # here libraries choose their kernels
    short = context.seconds(lambda: draw(steps.short))
    taken = steps.all if short * steps.all / steps.short < room else steps.long
    long = context.seconds(lambda: draw(taken))
    each = (long - short) / (taken - steps.short)
    seconds = long + each * (steps.all - taken)
    layers = unet_layers(unet_of(str(context.base)), case.height // FACTOR, case.width // FACTOR)
    rate = 2 * case.batch * flops(layers) / each  # with and without the prompt
    facts = {
        "batch": case.batch,
        "steps": steps.all,
        "steps_drawn": taken,
        "seconds": seconds,
        "step_seconds": each,
        "other_seconds": short - each * steps.short,
        "precision": _precision(context),
        "tflops": rate / 1e12,
        **share_of_ceiling(context, _precision(context), rate),
    }
    if taken < steps.all:
        words = f"foretold from drawings of {steps.short} and {taken} steps"
        facts |= {"scaled": True, "note": words}
    return facts


def _memory(context: Context, case: Case) -> dict[str, Any]:
    spec = SampleSpec(
        base=Base(model=str(context.base)),
        pins={},
        prompts=tuple(Prompt(id=each.prompt_id, text=each.text) for each in case.requests),
        seeds=(0,),
        sampler=_sampler(context, case, 1),
    )
    forecast = sampling_memory(spec, case.batch, half=_precision(context) != "fp32")
    peak = context.peak_memory
    facts: dict[str, Any] = {"forecast_bytes": forecast}
    return facts if peak is None else {**facts, "peak_bytes": peak, "ratio": peak / forecast}


def _company(context: Context, pipeline: StableDiffusionXLPipeline, case: Case) -> Iterator[Figure]:
    """Yield how far the image of one (prompt, seed) alone lies from the one in a batch."""

    def work() -> Iterator[Figure]:
        pipeline.unet.to(memory_format=torch.channels_last)
        steps = _steps(context).long
        drawn = ImageSampler(pipeline, _sampler(context, case, steps), context.device)
        distance = levels_apart(drawn, case.requests)
        facts = {
            "steps": steps,
            "batch": case.batch,
            "mean": float(distance.mean()),
            "note": f"mean {distance.mean():.3f}, {steps} steps; random weights",
        }
        yield Figure(PART, "alone-or-in-a-batch", float(distance.max()), f"of {LEVELS}", facts)

    yield from attempt(context, PART, "alone-or-in-a-batch", work, CASE)


def levels_apart(sampler: ImageSampler, requests: list[Request]) -> np.ndarray[Any, Any]:
    """Return the differences, in levels, of the first image in a batch and alone."""
    together, alone = sampler.draw(requests)[0], sampler.draw(requests[:1])[0]
    if together is None or alone is None:
        raise ValueError("the numbers of an image are not finite")
    return np.abs(together.astype(int) - alone.astype(int))
