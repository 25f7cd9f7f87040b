"""What a step is punished for, each as its paper has it."""

from __future__ import annotations

import torch
from torch import Tensor


def signal_to_noise(kept: Tensor, times: Tensor) -> Tensor:
    """Return the ratio of signal to noise at `times`, from the schedule's cumulated alphas."""
    signal = kept[times]
    return signal / (1 - signal)


def min_snr_weight(ratio: Tensor, gamma: float, prediction: str) -> Tensor:
    """Return min(SNR, γ)/SNR for epsilon, min(SNR, γ)/(SNR + 1) for v (arXiv:2303.09556)."""
    clipped = ratio.clamp(max=gamma)
    return clipped / (ratio + 1) if prediction == "v_prediction" else clipped / ratio


def denoising_loss(predicted: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    """Return the mean square error in fp32: a mean over each sample, weighted, then over all."""
    each = (predicted.float() - target.float()).square().flatten(1).mean(1)
    return (each if weight is None else each * weight).mean()


def add_noise(clean: Tensor, noise: Tensor, kept: Tensor, times: Tensor) -> Tensor:
    """Return clean latents with noise at `times` (Eq. 4 of arXiv:2006.11239)."""
    signal = kept[times].view(-1, 1, 1, 1)
    return signal.sqrt() * clean + (1 - signal).sqrt() * noise


def target_of(clean: Tensor, noise: Tensor, kept: Tensor, times: Tensor, kind: str) -> Tensor:
    """Return what the UNet should say: the noise, or v (Eq. 11 of arXiv:2202.00512)."""
    if kind != "v_prediction":
        return noise
    signal = kept[times].view(-1, 1, 1, 1)
    return signal.sqrt() * noise - (1 - signal).sqrt() * clean


def offset(noise: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Return noise with one random shift a channel, so that brightness can be learned."""
    if not strength:
        return noise
    return noise + strength * torch.randn((*noise.shape[:2], 1, 1), generator=generator)
