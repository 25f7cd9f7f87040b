"""The objective of training: the noise schedule, the prediction, the weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from harness.diffusion.load import dtype_for, load_noise_schedule
from harness.diffusion.memory import samples_per_pass
from harness.pages.stages import TrainSpec
from harness.training import losses
from harness.training.passes import Pass, Sample, read_pass, salts_of
from harness.training.trained_models import TrainedModels


class Objective:
    """Computes the loss of a pass."""

    def __init__(self, spec: TrainSpec, models: TrainedModels, budget: int) -> None:
        scheduler = load_noise_schedule(spec.base)
        self._spec, self._models = spec, models
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

    def read(self, samples: Sequence[Sample]) -> Pass:
        """Return the tensors of one pass; text encoders that are trained embed its texts here."""
        models = self._models
        models.salts[:] = [salts_of(samples).to(models.device)]
        with self._precision():
            return read_pass(samples, self._spec, self.timesteps, models.encoders)

    def loss(self, content: Pass) -> Tensor:
        """Return the weighted sum of the samples' losses."""
        train, models, times = self._spec.train, self._models, content.times
        device = models.device
        noisy = losses.add_noise(content.latents, content.seen, self._alphas, times)
        target = losses.target_of(
            content.latents, content.noise, self._alphas, times, self._prediction
        )
        unet = models.unet
        with self._precision():
            predicted = unet(
                noisy.to(device, unet.dtype, memory_format=torch.channels_last),
                times.to(device),
                content.sequences.to(device, unet.dtype),
                added_cond_kwargs={
                    "text_embeds": content.pooled.to(device, unet.dtype),
                    "time_ids": content.ids.to(device),
                },
            ).sample
        each = losses.sample_losses(predicted, target.to(device), train.huber, times, self._alphas)
        return (each * self._weights(content).to(device)).sum()

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
