"""Noise to images, each from its own (prompt, seed) noise, whatever batch it is drawn in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import StableDiffusionXLPipeline
from numpy.typing import NDArray
from torch import Tensor

from harness.diffusion.load import TextEncoders
from harness.diffusion.words import count_windows, embed_weighted
from harness.fingerprint import number_of
from harness.pages.benchmark import Sampler

Words = tuple[Tensor, ...]
"""Embeddings of a prompt and of its negative, then both pooled."""


@dataclass(frozen=True)
class Request:
    """One image to draw."""

    prompt_id: str
    seed: int
    text: str
    negative: str | None = None
    """What it should not show; where not given, the sampler's."""


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
        self._words: dict[tuple[str, str], Words] = {}
        factor = pipeline.vae_scale_factor
        channels = pipeline.unet.config.in_channels
        self._shape = (channels, sampler.height // factor, sampler.width // factor)

    @torch.no_grad()
    def draw(self, requests: Sequence[Request]) -> list[NDArray[np.uint8] | None]:
        """Return one H × W × 3 image a request; None where the numbers were not finite."""
        words = [self._encode(request) for request in requests]
        images: list[NDArray[np.uint8] | None] = [None] * len(requests)
        for length in {word[0].shape[1] for word in words}:  # one, but for prompts with weights
            places = [at for at, word in enumerate(words) if word[0].shape[1] == length]
            alike = [requests[at] for at in places], [words[at] for at in places]
            for at, image in zip(places, self._together(*alike), strict=True):
                images[at] = image
        return images

    def _together(
        self, requests: Sequence[Request], words: Sequence[Words]
    ) -> list[NDArray[np.uint8] | None]:
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

    def _encode(self, request: Request) -> Words:
        negative = self._sampler.negative if request.negative is None else request.negative
        both = (request.text, negative)
        if both not in self._words:
            encode = self._weighted if self._sampler.prompt_style == "webui" else self._plain
            self._words[both] = encode(*both)
        return self._words[both]

    def _plain(self, text: str, negative: str) -> Words:
        words: Words = self._pipeline.encode_prompt(
            text, negative_prompt=negative or None, device=self._device
        )
        return words

    def _weighted(self, text: str, negative: str) -> Words:
        """Return the words with their weights, both sides of one length."""
        pipe = self._pipeline
        tokenizers = (pipe.tokenizer, pipe.tokenizer_2)
        encoders = TextEncoders(pipe.text_encoder, pipe.text_encoder_2, tokenizers)
        both = [pipe.maybe_convert_prompt(each, pipe.tokenizer) for each in (text, negative)]
        count = max(count_windows(each, encoders) for each in both)
        words, pooled = embed_weighted(both[0], encoders, count)
        if not negative and pipe.config.force_zeros_for_empty_prompt:
            return words, torch.zeros_like(words), pooled, torch.zeros_like(pooled)
        unwanted, pooled_unwanted = embed_weighted(both[1], encoders, count)
        return words, unwanted, pooled, pooled_unwanted

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
