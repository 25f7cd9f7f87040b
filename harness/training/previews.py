"""The previews of a run at its checkpoints, drawn like any sample."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline
from PIL import Image
from torch import nn

from harness.diffusion.load import TextEncoders, load_noise_schedule, load_text_encoders, load_vae
from harness.diffusion.sampler import ImageSampler, Request
from harness.diffusion.schedulers import set_prediction
from harness.pages.benchmark import Sampler
from harness.pages.stages import TrainSpec
from harness.training.trained_models import TrainedModels

STEPS, GUIDANCE = 20, 5.0


def draw_previews(models: TrainedModels, spec: TrainSpec, folder: Path) -> None:
    """Write one image for each prompt into `folder`, without using training's random numbers."""
    train, device, dtype = spec.train, models.device, models.unet.dtype
    encoders = models.encoders or load_text_encoders(spec.base, device, dtype)
    sampler = Sampler(
        steps=STEPS,
        guidance=GUIDANCE,
        width=train.resolution,
        height=train.resolution,
        precision=train.precision,
    )
    image_sampler = ImageSampler(_pipeline(models, encoders, spec), sampler, device)
    autocast = torch.autocast(device.split(":")[0], dtype=dtype, enabled=dtype != torch.float32)
    with evaluating([models.unet, encoders.first, encoders.second]), autocast:
        for number, prompt in enumerate(train.previews):
            name = re.sub(r"[^a-z0-9]+", "-", prompt.lower()).strip("-")[:40]
            pixels = image_sampler.draw([Request(f"preview-{number}", 0, prompt)])[0]
            if pixels is not None:
                Image.fromarray(pixels).save(folder / f"{number:02d}-{name}.png")


def _pipeline(
    models: TrainedModels, encoders: TextEncoders, spec: TrainSpec
) -> StableDiffusionXLPipeline:
    """Return a pipeline around the models in training."""
    pipeline = StableDiffusionXLPipeline(
        vae=load_vae(spec.base, models.device),
        unet=models.unet,
        text_encoder=encoders.first,
        text_encoder_2=encoders.second,
        tokenizer=encoders.tokenizers[0],
        tokenizer_2=encoders.tokenizers[1],
        scheduler=EulerDiscreteScheduler.from_config(load_noise_schedule(spec.base).config),
    )
    pipeline.set_progress_bar_config(disable=True)
    set_prediction(pipeline, spec.train.prediction, spec.train.zero_terminal_snr)
    return pipeline


@contextmanager
def evaluating(networks: Sequence[nn.Module]) -> Iterator[None]:
    """Put networks in evaluation mode during the block."""
    modes = [network.training for network in networks]
    for network in networks:
        network.eval()
    yield
    for network, mode in zip(networks, modes, strict=True):
        network.train(mode)
