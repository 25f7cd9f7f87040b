"""Training beside a plain loop, and beside the bare UNet, in one run.

The plain loop is written here to do what diffusers' LoRA script for SDXL does, in its order: PEFT
layers on the UNet, one forward and backward for each micro-batch, autocast, MSE in fp32, the loss
read after every micro-batch, gradients clipped, AdamW. Latents and embeddings are made beforehand,
as for our loop; so it is the script without its data loading.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler
from peft import LoraConfig
from torch import Tensor

from card import sdxl, trial
from card.counting import training_flops
from card.figures import Context, Figure, attempt
from card.profile import profiled
from harness.diffusion.anatomy import FACTOR, WINDOW
from harness.diffusion.shapes import texts_of, unet_of
from harness.pages.train import Train

PART = "plain"
CASES = ((4, 2), (1, 8), (8, 1))
"""Micro-batch × accumulation."""
RATIOS = {"4x2": 1.5, "1x8": 3.0}
"""How many times as fast as the plain loop ours should be."""
TARGETS = ["to_k", "to_q", "to_v", "to_out.0"]
LAYOUTS = ("channels-last", "contiguous")
CASE = 10.0


def figures(context: Context) -> Iterator[Figure]:
    """Measure both loops, their ratio, and the floor that no loop can go below."""
    for batch, accumulation in CASES[:1] if context.is_dry else CASES:
        size = f"{batch}x{accumulation}"
        train = trial.lora(context, batch=batch, accumulation=accumulation)
        yield from _beside(context, size, train)
    for batch in (8,) if context.is_dry else (8, 1, 4):
        for layout in LAYOUTS[:1] if context.is_dry else LAYOUTS:
            name = f"bare-unet-{batch}-{layout}"
            yield from attempt(
                context, PART, name, lambda n=name, b=batch, y=layout: _bare(context, n, b, y), CASE
            )
    if not context.is_dry:
        yield from attempt(context, PART, "plain-4x2-busy", lambda: _profile(context), CASE)


def _beside(context: Context, size: str, train: Train) -> Iterator[Figure]:
    """Measure ours, then the plain loop, and their ratio."""
    speeds: dict[str, float] = {}
    for name, work in (("ours", _ours), ("plain", _plain)):
        title = f"{name}-{size}"
        for figure in attempt(
            context, PART, title, lambda w=work, t=title: w(context, t, train), CASE
        ):
            if figure.value is not None:
                speeds[name] = figure.value
            yield figure
    if len(speeds) == 2:
        ratio = speeds["ours"] / speeds["plain"]
        least = 0.0 if context.is_dry else RATIOS.get(size, 0.0)
        missed = [f"{least} times the plain loop"] if ratio < least else []
        facts = {**speeds, "note": "ours over plain", "missed": missed}
        yield Figure(PART, f"ratio-{size}", ratio, "×", facts)


def _ours(context: Context, name: str, train: Train) -> Iterator[Figure]:
    yield from trial.speed(context, PART, name, train)


def _plain(context: Context, name: str, train: Train) -> Iterator[Figure]:
    loop = PlainLoop(context, train)
    seconds = context.median(loop.step)
    samples = train.batch * train.accumulation
    rate = samples * training_flops(train, str(context.base)) / seconds
    facts = {
        "batch": train.batch,
        "accumulation": train.accumulation,
        "step_seconds": seconds,
        "tflops": rate / 1e12,
        "peak_bytes": context.peak_memory,
        **trial.share_of_ceiling(context, train.precision, rate),
    }
    yield Figure(PART, name, samples / seconds, "images/s", facts)


class PlainLoop:
    """The script's loop, with latents and embeddings on the device."""

    def __init__(self, context: Context, train: Train) -> None:
        assert train.adapter is not None
        self._train, self._device = train, context.device
        self._dtype = _dtype(context, train)
        self._unet = sdxl.unet(context.base, context.device, self._dtype)
        self._unet.to(memory_format=torch.contiguous_format)
        rank = train.adapter.rank
        self._unet.add_adapter(
            LoraConfig(
                r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules=TARGETS
            )
        )
        self._moving = [each for each in self._unet.parameters() if each.requires_grad]
        if train.precision == "fp16":  # as the script does; in bf16 the adapter stays in bf16
            for each in self._moving:
                each.data = each.data.float()
        self._optimizer = torch.optim.AdamW(self._moving, lr=1e-4, weight_decay=1e-2)
        self._schedule = DDPMScheduler.from_pretrained(context.base / "scheduler")
        self._content = content_of(context, train.batch, train.resolution, self._dtype)
        self._unet.train()

    def step(self) -> float:
        """Take one optimizer step; return its loss."""
        total = 0.0
        for _ in range(self._train.accumulation):
            loss = self._loss()
            (loss / self._train.accumulation).backward()
            total += loss.item() / self._train.accumulation
        torch.nn.utils.clip_grad_norm_(self._moving, 1.0)
        self._optimizer.step()
        self._optimizer.zero_grad()
        return total

    def _loss(self) -> Tensor:
        latents, sequences, added = self._content
        noise = torch.randn_like(latents)
        steps = self._schedule.config.num_train_timesteps
        times = torch.randint(0, steps, (len(latents),), device=self._device)
        noisy = self._schedule.add_noise(latents, noise, times)
        is_half = self._dtype != torch.float32
        with torch.autocast("cuda", self._dtype) if is_half else nullcontext():
            predicted = self._unet(noisy, times, sequences, added_cond_kwargs=added).sample
        return F.mse_loss(predicted.float(), noise.float())


def content_of(
    context: Context, batch: int, resolution: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Return made-up latents, embeddings and conditions on the device."""
    first, second = texts_of(str(context.base))
    side, channels = resolution // FACTOR, unet_of(str(context.base)).ends[0]

    def noise(*shape: int) -> Tensor:
        return torch.randn(batch, *shape, device=context.device, dtype=dtype)

    ids = torch.tensor([resolution, resolution, 0, 0, resolution, resolution])
    added: dict[str, Any] = {
        "text_embeds": noise(second.projection),
        "time_ids": ids.to(context.device, dtype).repeat(batch, 1),
    }
    return noise(channels, side, side), noise(WINDOW, first.width + second.width), added


def _dtype(context: Context, train: Train) -> torch.dtype:
    if context.device == "cpu":
        return torch.float32
    return torch.float16 if train.precision == "fp16" else torch.bfloat16


def _bare(context: Context, name: str, batch: int, layout: str) -> Iterator[Figure]:
    """Time forward and backward of the UNet alone: no adapter, no optimizer, no autocast.

    Its input needs a gradient, so the way back is as long as a whole UNet's.
    """
    train = trial.lora(context, batch=batch)
    dtype = _dtype(context, train)
    unet = sdxl.unet(context.base, context.device, dtype).train()
    is_last = layout == "channels-last"
    form = torch.channels_last if is_last else torch.contiguous_format
    unet.to(memory_format=form)
    latents, sequences, added = content_of(context, batch, train.resolution, dtype)
    latents = latents.to(memory_format=form).requires_grad_(True)
    times = torch.full((batch,), 500, device=context.device)

    def both_ways() -> None:
        unet(latents, times, sequences, added_cond_kwargs=added).sample.sum().backward()
        latents.grad = None

    seconds = context.median(both_ways)
    rate = batch * training_flops(train, str(context.base)) / seconds
    facts = {
        "batch": batch,
        "layout": layout,
        "seconds": seconds,
        "tflops": rate / 1e12,
        "peak_bytes": context.peak_memory,
        **trial.share_of_ceiling(context, train.precision, rate),
        "note": "forward and backward, nothing else",
    }
    yield Figure(PART, name, batch / seconds, "images/s", facts)


def _profile(context: Context) -> Iterator[Figure]:
    loop = PlainLoop(context, trial.lora(context, batch=4, accumulation=2))
    loop.step()
    yield from profiled(context, PART, "plain-4x2-busy", loop.step)
