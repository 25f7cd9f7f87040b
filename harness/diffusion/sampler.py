"""Noise to images, each from its own (prompt, seed) noise, whatever batch it is drawn in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import StableDiffusionXLPipeline
from numpy.typing import NDArray
from torch import Tensor

from harness.benchmark import Sampler
from harness.fingerprint import number_of


@dataclass(frozen=True)
class Request:
    """One image to draw."""

    prompt_id: str
    seed: int
    text: str


def first_noise(request: Request, shape: tuple[int, int, int]) -> Tensor:
    """Return the starting latents of one image, drawn on the CPU from (prompt, seed) alone."""
    generator = torch.Generator().manual_seed(number_of("noise", request.prompt_id, request.seed))
    return torch.randn((1, *shape), generator=generator)


def step_noise(request: Request) -> torch.Generator:
    """Return the source of the noise that an ancestral sampler adds on its way."""
    return torch.Generator().manual_seed(number_of("steps", request.prompt_id, request.seed))


class Artist:
    """A pipeline with a benchmark's settings; words are encoded once a prompt."""

    def __init__(self, pipeline: StableDiffusionXLPipeline, sampler: Sampler, device: str) -> None:
        self._pipeline, self._sampler, self._device = pipeline, sampler, device
        self._words: dict[str, tuple[Tensor, ...]] = {}
        factor = pipeline.vae_scale_factor
        channels = pipeline.unet.config.in_channels
        self._shape = (channels, sampler.height // factor, sampler.width // factor)

    @torch.no_grad()
    def draw(self, requests: Sequence[Request]) -> list[NDArray[np.uint8] | None]:
        """Return one H × W × 3 image a request; None where the numbers were not finite."""
        words = [self._encode(request.text) for request in requests]
        noise = torch.cat([first_noise(request, self._shape) for request in requests])
        unet = self._pipeline.unet
        output = self._pipeline(
            prompt_embeds=torch.cat([word[0] for word in words]),
            negative_prompt_embeds=torch.cat([word[1] for word in words]),
            pooled_prompt_embeds=torch.cat([word[2] for word in words]),
            negative_pooled_prompt_embeds=torch.cat([word[3] for word in words]),
            latents=noise.to(self._device, unet.dtype),
            generator=[step_noise(request) for request in requests],
            num_inference_steps=self._sampler.steps,
            guidance_scale=self._sampler.guidance,
            width=self._sampler.width,
            height=self._sampler.height,
            output_type="latent",
        ).images
        return [self._decode(latents) for latents in output]

    def _encode(self, text: str) -> tuple[Tensor, ...]:
        if text not in self._words:
            self._words[text] = self._pipeline.encode_prompt(
                text, negative_prompt=self._sampler.negative or None, device=self._device
            )
        return self._words[text]

    def _decode(self, latents: Tensor) -> NDArray[np.uint8] | None:
        """Return one image; decoding one at a time keeps memory flat at 1024 pixels."""
        vae = self._pipeline.vae
        scaled = latents[None].to(vae.dtype) / vae.config.scaling_factor
        pixels = vae.decode(scaled).sample[0].float()
        if not torch.isfinite(pixels).all():
            return None
        levels = ((pixels / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
        image: NDArray[np.uint8] = levels.permute(1, 2, 0).cpu().numpy()
        return image
