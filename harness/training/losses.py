"""The losses and their weights, each as in its paper: pure functions, sample by sample.

`kept` is the noise schedule's cumulated alphas, ᾱ; `times` are B timesteps. All randomness is
given.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from harness.pages.train import Huber, Train

MOST = 1000.0
"""The ratio at which debiased weights stop falling, as in kohya's scripts."""


def add_noise(clean: Tensor, noise: Tensor, kept: Tensor, times: Tensor) -> Tensor:
    """Return clean latents with noise at `times` (Eq. 4 of arXiv:2006.11239)."""
    signal = kept[times].view(-1, 1, 1, 1)
    return signal.sqrt() * clean + (1 - signal).sqrt() * noise


def target_of(clean: Tensor, noise: Tensor, kept: Tensor, times: Tensor, kind: str) -> Tensor:
    """Return what the UNet should predict: the noise, or v (Eq. 11 of arXiv:2202.00512)."""
    if kind != "v_prediction":
        return noise
    signal = kept[times].view(-1, 1, 1, 1)
    return signal.sqrt() * noise - (1 - signal).sqrt() * clean


def offset(noise: Tensor, strength: float, shift: Tensor) -> Tensor:
    """Return noise moved by `shift`, B × C × 1 × 1, so that brightness can be learned.

    The target is moved too: what is returned is the noise from then on.
    """
    return noise + strength * shift if strength else noise


def perturbed(noise: Tensor, strength: float, extra: Tensor) -> Tensor:
    """Return the noise that the UNet sees; its target keeps the old one (arXiv:2301.11706)."""
    return noise + strength * extra if strength else noise


def zero_terminal(kept: Tensor) -> Tensor:
    """Return ᾱ stretched so that the last step is pure noise (Algorithm 1 of arXiv:2305.08891)."""
    root = kept.sqrt()
    first, last = root[0], root[-1]
    return ((root - last) * (first / (first - last))).square()


def sample_losses(predicted: Tensor, target: Tensor, deltas: Tensor | None) -> Tensor:
    """Return B losses in fp32: the mean over each sample of a square.

    With the δ of each sample, of a pseudo-Huber loss.
    """
    apart = predicted.float() - target.float()
    each = apart.square()
    if deltas is not None:
        each = _pseudo_huber(each, deltas)
    return each.flatten(1).mean(1)


def _pseudo_huber(square: Tensor, delta: Tensor) -> Tensor:
    """Return 2δ(√(d² + δ²) − δ): d² where d is small, 2δ|d| far out (arXiv:2403.16728).

    It is kohya's `huber`. Written as 2δd²/(√(d² + δ²) + δ), nothing cancels where d is small.
    """
    delta = delta.view(-1, 1, 1, 1)
    return 2 * delta * square / ((square + delta**2).sqrt() + delta)


def huber_deltas(huber: Huber, times: Tensor, kept: Tensor) -> Tensor:
    """Return δ at each of `times`, in kohya's three schedules, two of them from arXiv:2403.16728.

    snr goes from 1 at no noise to δ at pure noise, with σ = √((1 − ᾱ)/ᾱ); exponential is δ^(t/T).
    """
    signal, delta = kept[times].float(), huber.delta
    if huber.schedule == "snr":
        sigma = ((1 - signal) / signal).sqrt()
        return (1 - delta) / (1 + sigma).square() + delta
    if huber.schedule == "exponential":
        return torch.exp(math.log(delta) * times.to(signal) / len(kept))
    return torch.full_like(signal, delta)


def weights(train: Train, kept: Tensor, times: Tensor, prediction: str) -> Tensor | None:
    """Return the weight of each sample's loss, B on the device of `kept`; None if all are 1."""
    ratio = signal_to_noise(kept, times)
    if train.snr_gamma is not None:
        return min_snr_weight(ratio, train.snr_gamma, prediction, train.snr_form)
    return debiased_weight(ratio, prediction) if train.debiased else None


def signal_to_noise(kept: Tensor, times: Tensor) -> Tensor:
    """Return the ratio of signal to noise at `times`: ᾱ/(1 − ᾱ)."""
    signal = kept[times]
    return signal / (1 - signal)


def min_snr_weight(ratio: Tensor, gamma: float, prediction: str, form: str = "paper") -> Tensor:
    """Return the weight by one form of min-SNR-γ; all but `unclamped` bear a ratio of 0.

    paper: min(SNR, γ)/SNR for epsilon, min(SNR, γ)/(SNR + 1) for v (arXiv:2303.09556).
    dreambooth-v: min(SNR, γ)/SNR + 1 for v, as the diffusers DreamBooth scripts compute it.
    unclamped: γ/SNR, for v γ/(SNR + 1), so that steps with much noise count more than once.
    """
    turned = prediction == "v_prediction"
    if form == "unclamped":
        return gamma / (ratio + 1) if turned else gamma / ratio
    share = (gamma / ratio).clamp(max=1)  # min(SNR, γ)/SNR, and 1 where there is no signal
    if form == "dreambooth-v":
        return share + 1 if turned else share
    return ratio.clamp(max=gamma) / (ratio + 1) if turned else share


def debiased_weight(ratio: Tensor, prediction: str) -> Tensor:
    """Return 1/√SNR (arXiv:2310.08442), for v 1/(SNR + 1), which kohya chose.

    As in its `apply_debiased_estimation`, the ratio counts as 1000 at most.
    """
    clipped = ratio.clamp(max=MOST)
    return 1 / (clipped + 1) if prediction == "v_prediction" else clipped.rsqrt()
