"""From noise to images; the noise of an image depends on (prompt, seed), not on its batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import StableDiffusionXLPipeline
from numpy.typing import NDArray
from torch import Tensor

from harness.diffusion.load import TextEncoders
from harness.diffusion.text_embeddings import count_windows, embed_weighted
from harness.fingerprint import number_of
from harness.halving import Halving
from harness.pages.benchmark import Sampler

PromptEmbeddings = tuple[Tensor, ...]
"""The embeddings of a prompt and of its negative prompt, then the pooled ones of both."""

Drawn = NDArray[np.uint8] | None
"""An image of H × W × 3; None if its numbers are not finite."""


@dataclass(frozen=True)
class Request:
    """One image to draw."""

    prompt_id: str
    seed: int
    text: str
    negative: str | None = None
    """The negative prompt; None takes the sampler's."""


def first_noise(request: Request, shape: tuple[int, int, int]) -> Tensor:
    """Return the first latents of one image, drawn on the CPU from (prompt, seed) alone."""
    return torch.randn((1, *shape), generator=first_random(request))


def first_random(request: Request) -> torch.Generator:
    """Return the random numbers of one image, which depend on (prompt, seed) alone."""
    return torch.Generator().manual_seed(number_of("noise", request.prompt_id, request.seed))


def step_noise(request: Request) -> torch.Generator:
    """Return the generator of the noise that an ancestral sampler adds in its steps."""
    return torch.Generator().manual_seed(number_of("steps", request.prompt_id, request.seed))


class ImageSampler:
    """A pipeline with the sampler settings of a benchmark; each prompt is encoded once."""

    def __init__(self, pipeline: StableDiffusionXLPipeline, sampler: Sampler, device: str) -> None:
        self._pipeline, self._sampler, self._device = pipeline, sampler, device
        self._halving = Halving("images drawn")
        self._embeddings: dict[tuple[str, str], PromptEmbeddings] = {}
        factor = pipeline.vae_scale_factor
        channels = pipeline.unet.config.in_channels
        self._shape = (channels, sampler.height // factor, sampler.width // factor)

    @torch.no_grad()
    def draw(self, requests: Sequence[Request]) -> list[Drawn]:
        """Return the image of each request; in smaller batches if the memory is too small."""
        embeddings = [self._encode(request) for request in requests]
        images: list[Drawn] = [None] * len(requests)
        for length in {each[0].shape[1] for each in embeddings}:  # weighted prompts differ
            positions = [at for at, each in enumerate(embeddings) if each[0].shape[1] == length]
            same = [(requests[at], embeddings[at]) for at in positions]
            drawn = [image for part in self._halving.run(self._draw_batch, same) for image in part]
            for at, image in zip(positions, drawn, strict=True):
                images[at] = image
        return images

    def _draw_batch(self, batch: Sequence[tuple[Request, PromptEmbeddings]]) -> list[Drawn]:
        requests = [request for request, _ in batch]
        embeddings = [embedding for _, embedding in batch]
        noise = torch.cat([first_noise(request, self._shape) for request in requests])
        unet = self._pipeline.unet
        output = self._pipeline(
            prompt_embeds=torch.cat([each[0] for each in embeddings]),
            negative_prompt_embeds=torch.cat([each[1] for each in embeddings]),
            pooled_prompt_embeds=torch.cat([each[2] for each in embeddings]),
            negative_pooled_prompt_embeds=torch.cat([each[3] for each in embeddings]),
            latents=noise.to(self._device, unet.dtype),
            generator=[step_noise(request) for request in requests],
            num_inference_steps=self._sampler.steps,
            guidance_scale=self._sampler.guidance,
            width=self._sampler.width,
            height=self._sampler.height,
            output_type="latent",
        ).images
        return [self._decode(latents) for latents in output]

    def _encode(self, request: Request) -> PromptEmbeddings:
        negative = self._sampler.negative if request.negative is None else request.negative
        both = (request.text, negative)
        if both not in self._embeddings:
            encode = self._weighted if self._sampler.prompt_style == "webui" else self._plain
            self._embeddings[both] = encode(*both)
        return self._embeddings[both]

    def _plain(self, text: str, negative: str) -> PromptEmbeddings:
        embeddings: PromptEmbeddings = self._pipeline.encode_prompt(
            text, negative_prompt=negative or None, device=self._device
        )
        return embeddings

    def _weighted(self, text: str, negative: str) -> PromptEmbeddings:
        """Return the weighted embeddings of prompt and negative prompt, at one length."""
        pipe = self._pipeline
        tokenizers = (pipe.tokenizer, pipe.tokenizer_2)
        encoders = TextEncoders(pipe.text_encoder, pipe.text_encoder_2, tokenizers)
        both = [pipe.maybe_convert_prompt(each, pipe.tokenizer) for each in (text, negative)]
        count = max(count_windows(each, encoders) for each in both)
        embeddings, pooled = embed_weighted(both[0], encoders, count)
        if not negative and pipe.config.force_zeros_for_empty_prompt:
            return embeddings, torch.zeros_like(embeddings), pooled, torch.zeros_like(pooled)
        negative_embeddings, negative_pooled = embed_weighted(both[1], encoders, count)
        return embeddings, negative_embeddings, pooled, negative_pooled

    def _decode(self, latents: Tensor) -> Drawn:
        """Return one image; one at a time, as the VAE's activations are large."""
        vae = self._pipeline.vae
        scaled = latents[None].to(vae.dtype) / vae.config.scaling_factor
        pixels = vae.decode(scaled).sample[0].float()
        if not torch.isfinite(pixels).all():
            return None
        levels = ((pixels / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
        image: NDArray[np.uint8] = levels.permute(1, 2, 0).cpu().numpy()
        return image
