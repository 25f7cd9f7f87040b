"""The schedulers that images are sampled with, and what the UNet predicts for them.

A new scheduler is a line of `SAMPLERS`, and its word in `pages/benchmark.py`.
"""

from __future__ import annotations

from diffusers import (
    DDIMScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    StableDiffusionXLPipeline,
)

from harness.diffusion.prediction import scheduler_changes

SAMPLERS = {
    "ddim": DDIMScheduler,
    "euler": EulerDiscreteScheduler,
    "euler-a": EulerAncestralDiscreteScheduler,
}


def set_prediction(
    pipeline: StableDiffusionXLPipeline, prediction: str | None, zero_terminal: bool
) -> None:
    """Set what the UNet was trained to predict in the pipeline's scheduler."""
    if changes := scheduler_changes(prediction, zero_terminal):
        scheduler = pipeline.scheduler
        pipeline.scheduler = type(scheduler).from_config(scheduler.config, **changes)
