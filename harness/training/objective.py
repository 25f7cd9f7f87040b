"""The objective of training: the noise schedule, the prediction, the weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.diffusion.load import dtype_for, load_noise_schedule
from harness.diffusion.memory import samples_per_pass
from harness.pages.stages import TrainSpec
from harness.training import losses
from harness.training.passes import Pass, Sample, read_pass, salts_of
from harness.training.trained_models import TrainedModels


@dataclass(frozen=True)
class Inputs:
    """What the UNet is given for one pass, and what its output is compared with."""

    samples: tuple[Sample, ...]
    salts: Tensor
    """The numbers that give each sample its own dropout mask."""
    noisy: Tensor
    times: Tensor
    sequences: Tensor
    pooled: Tensor
    ids: Tensor
    target: Tensor
    weights: Tensor
    """The weight of each sample's loss."""
    deltas: Tensor | None
    """The δ of each sample's Huber loss."""


class Objective:
    """Computes the loss of a pass."""

    def __init__(self, spec: TrainSpec, models: TrainedModels, budget: int) -> None:
        scheduler = load_noise_schedule(spec.base)
        self._spec, self._models = spec, models
        self._dtype = models.unet.dtype  # looked up once: diffusers walks through all modules
        alphas = scheduler.alphas_cumprod
        self._alphas = losses.zero_terminal(alphas) if spec.train.zero_terminal_snr else alphas
        self._prediction = spec.train.prediction or str(scheduler.config.prediction_type)
        self.timesteps = len(self._alphas)
        train = spec.train
        if models.device == "cpu":  # a CPU always computes in fp32
            train = train.model_copy(update={"precision": "fp32"})
        self.most = samples_per_pass(train, spec.base.model, budget)

    def _precision(self) -> torch.autocast:
        device = self._models.device
        dtype = dtype_for(self._models.train.precision, device)
        return torch.autocast(device.split(":")[0], dtype, enabled=dtype != torch.float32)

    def read(self, samples: Sequence[Sample]) -> Inputs:
        """Return the tensors of one pass, on the CPU and in the UNet's own format.

        Text encoders that are trained embed its texts here. Else no network is used, so that
        another thread can do it.
        """
        models, train = self._models, self._spec.train
        if models.encoders is None:
            content = read_pass(samples, self._spec, self.timesteps, None)
        else:
            models.salts[:] = [self._moved(salts_of(samples))]
            with self._precision():
                content = read_pass(samples, self._spec, self.timesteps, models.encoders)
        noisy = losses.add_noise(content.latents, content.seen, self._alphas, content.times)
        dtype, huber = self._dtype, train.huber
        return Inputs(
            samples=content.samples,
            salts=salts_of(samples),
            noisy=noisy.to(dtype, memory_format=torch.channels_last),
            times=content.times,
            sequences=content.sequences.to(dtype),
            pooled=content.pooled.to(dtype),
            ids=content.ids,
            target=losses.target_of(
                content.latents, content.noise, self._alphas, content.times, self._prediction
            ),
            weights=self._weights(content),
            deltas=losses.huber_deltas(huber, content.times, self._alphas) if huber else None,
        )

    def loss(self, inputs: Inputs) -> Tensor:
        """Return the weighted sum of the samples' losses."""
        models, moved = self._models, self._moved
        models.salts[:] = [moved(inputs.salts)]
        with self._precision():
            predicted = models.unet(
                moved(inputs.noisy),
                moved(inputs.times),
                moved(inputs.sequences),
                added_cond_kwargs={
                    "text_embeds": moved(inputs.pooled),
                    "time_ids": moved(inputs.ids),
                },
            ).sample
        deltas = None if inputs.deltas is None else moved(inputs.deltas)
        each = losses.sample_losses(predicted, moved(inputs.target), deltas)
        return (each * moved(inputs.weights)).sum()

    def _moved(self, tensor: Tensor) -> Tensor:
        """Return a tensor on the device; from pinned memory, so that nothing waits for the copy."""
        if self._models.device == "cpu" or tensor.device.type != "cpu":
            return tensor
        return tensor.pin_memory().to(self._models.device, non_blocking=True)

    def _weights(self, content: Pass) -> Tensor:
        """Return the weight of each sample; of a class image, that of the prior."""
        train = self._spec.train
        by_noise = losses.weights(train, self._alphas, content.times, self._prediction)
        weights = []
        for row, sample in enumerate(content.samples):
            if sample.is_class:
                assert train.prior is not None
                weights.append(train.prior.weight)
            else:
                by_step = 1.0 if by_noise is None else float(by_noise[row])
                weights.append(by_step * sample.data.weights[sample.number])
        return torch.tensor(weights)
