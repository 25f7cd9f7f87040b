"""The noise schedules of training, and the schedulers that images are sampled with.

A new scheduler is a line of `SAMPLERS`, and its word in `pages/benchmark.py`.
"""

from __future__ import annotations

from typing import Any

from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    StableDiffusionXLPipeline,
)

from harness.diffusion.load import _load
from harness.pages.recipe import Base

SAMPLERS = {
    "ddim": DDIMScheduler,
    "euler": EulerDiscreteScheduler,
    "euler-a": EulerAncestralDiscreteScheduler,
}


def load_noise_schedule(base: Base) -> DDPMScheduler:
    """Return the base's own noise schedule, for training."""
    scheduler: DDPMScheduler = _load(DDPMScheduler, base, base.model, "scheduler", None)
    return scheduler


def set_prediction(
    pipeline: StableDiffusionXLPipeline, prediction: str | None, zero_terminal: bool
) -> None:
    """Set what the UNet was trained to predict in the pipeline's scheduler."""
    changes: dict[str, Any] = {"prediction_type": prediction} if prediction else {}
    if zero_terminal:
        changes |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    if changes:
        scheduler = pipeline.scheduler
        pipeline.scheduler = type(scheduler).from_config(scheduler.config, **changes)
