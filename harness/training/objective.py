"""What a step is judged by: the noise schedule, the UNet's answer, what each sample counts."""

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
    """From a pass to its loss: the noise schedule, the UNet and how its answer is judged."""

    def __init__(self, spec: TrainSpec, models: TrainedModels, budget: int) -> None:
        scheduler = load_noise_schedule(spec.base)
        self._spec, self._trainee = spec, models
        kept = scheduler.alphas_cumprod
        self._kept = losses.zero_terminal(kept) if spec.train.zero_terminal_snr else kept
        self._prediction = spec.train.prediction or str(scheduler.config.prediction_type)
        self.timesteps = len(self._kept)
        counted = spec.train
        if models.device == "cpu":  # which computes in fp32 whatever the page says
            counted = counted.model_copy(update={"precision": "fp32"})
        self.most = samples_per_pass(counted, spec.base.model, budget)

    def _precision(self) -> torch.autocast:
        device = self._trainee.device
        dtype = dtype_for(self._trainee.train.precision, device)
        return torch.autocast(device.split(":")[0], dtype, enabled=dtype != torch.float32)

    def read(self, samples: Sequence[Sample]) -> Pass:
        """Return the tensors of one pass; text encoders that learn read their texts here."""
        models = self._trainee
        models.salts[:] = [salts_of(samples).to(models.device)]
        with self._precision():
            return read_pass(samples, self._spec, self.timesteps, models.encoders)

    def loss(self, content: Pass) -> Tensor:
        """Return the sum of the samples' losses, each weighed as the recipe says."""
        train, models, times = self._spec.train, self._trainee, content.times
        device = models.device
        noisy = losses.add_noise(content.latents, content.seen, self._kept, times)
        target = losses.target_of(
            content.latents, content.noise, self._kept, times, self._prediction
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
        each = losses.sample_losses(predicted, target.to(device), train.huber, times, self._kept)
        return (each * self._weights(content).to(device)).sum()

    def _weights(self, content: Pass) -> Tensor:
        """Return how much each sample counts: class images plainly, by the prior's weight."""
        train = self._spec.train
        by_noise = losses.weights(train, self._kept, content.times, self._prediction)
        found = []
        for place, sample in enumerate(content.samples):
            if sample.is_class:
                assert train.prior is not None
                found.append(train.prior.weight)
            else:
                own = 1.0 if by_noise is None else float(by_noise[place])
                found.append(own * sample.data.weights[sample.number])
        return torch.tensor(found)
