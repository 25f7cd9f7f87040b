"""The gradient of each picture's loss by the adapter's own weights, projected onto few numbers.

The projection keeps inner products, up to noise that falls with the number of dimensions: every
weight has a random sign and a random place, and what shares a place is added up (a count sketch).
Signs and places depend on a seed, the weight's name and its shape alone, so that gradients of any
two pictures can be compared, whichever process took them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from harness.diffusion.adapter_reader import read_layers
from harness.diffusion.adapter_writer import FILE
from harness.diffusion.layer_names import bare
from harness.diffusion.sample_factors import can_separate, separated
from harness.fingerprint import number_of
from harness.training.probe import Denoiser, Question
from harness.training.trained_models import TrainedModels

FP16_SCALE = 1024.0
"""What losses are multiplied by in half precision, where small gradients would vanish."""


class Projection:
    """Gradients of many weights → vectors of a few dimensions with the same inner products."""

    def __init__(self, dimensions: int, seed: int) -> None:
        self.dimensions, self._seed = dimensions, seed
        self._rules: dict[str, tuple[Tensor, Tensor]] = {}

    def add(self, onto: Tensor, name: str, gradients: Tensor) -> None:
        """Add the B gradients of one weight onto B projected vectors."""
        flat = gradients.detach().float().flatten(1)
        places, signs = self._rule(name, flat.shape[1], flat.device)
        padded = F.pad(flat, (0, len(places) - flat.shape[1]))
        mixed = padded.index_select(1, places) * signs
        onto += mixed.view(len(flat), -1, self.dimensions).sum(1)

    def _rule(self, name: str, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return where each number of a weight goes, and its sign."""
        if name not in self._rules:
            total = -(-count // self.dimensions) * self.dimensions
            random = torch.Generator().manual_seed(number_of(self._seed, "projection", name))
            places = torch.randperm(total, generator=random, dtype=torch.int32)
            signs = torch.randint(0, 2, (total,), generator=random, dtype=torch.int8) * 2 - 1
            self._rules[name] = places.to(device), signs.to(device)
        return self._rules[name]


class SampleGradients:
    """Takes the loss and the projected gradient of each question, for several in one pass.

    Where a layer is no plain LoRA (DoRA, a convolution), questions are taken one by one.
    """

    def __init__(self, models: TrainedModels, denoiser: Denoiser, projection: Projection) -> None:
        self._models, self._denoiser, self._projection = models, denoiser, projection
        for model in models.by_part.values():
            model.eval()  # no dropout
        self.takes_several = can_separate(models.tensors, models.by_part)

    def take(self, questions: Sequence[Question], seed: int) -> tuple[Tensor, Tensor]:
        """Return B losses and B × k projected gradients, of questions about one shape.

        Where a GPU runs out of memory, it takes them in halves.
        """
        if not self.takes_several and len(questions) > 1:
            return self._joined([[question] for question in questions], seed)
        take = self._take if self.takes_several else self._take_alone
        try:
            return take(questions, seed)
        except torch.OutOfMemoryError:
            if len(questions) == 1:
                raise
        torch.cuda.empty_cache()  # out of the `except`, whose error holds on to activations
        middle = len(questions) // 2
        return self._joined([questions[:middle], questions[middle:]], seed)

    def _joined(self, groups: Sequence[Sequence[Question]], seed: int) -> tuple[Tensor, Tensor]:
        losses, vectors = zip(*(self.take(group, seed) for group in groups), strict=True)
        return torch.cat(losses), torch.cat(vectors)

    def _take(self, questions: Sequence[Question], seed: int) -> tuple[Tensor, Tensor]:
        with separated(self._models.by_part, len(questions)) as copies:
            weights = {name: copies[id(one)] for name, one in self._models.tensors.items()}
            return self._differentiated(questions, seed, weights)

    def _take_alone(self, questions: Sequence[Question], seed: int) -> tuple[Tensor, Tensor]:
        """Take a single gradient, of the weights themselves."""
        return self._differentiated(questions, seed, self._models.tensors)

    def _differentiated(
        self, questions: Sequence[Question], seed: int, weights: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        denoiser = self._denoiser
        scale = FP16_SCALE if denoiser.unet.dtype == torch.float16 else 1.0
        losses = denoiser.losses(denoiser.read(questions, seed))
        gradients = torch.autograd.grad(
            losses.sum() * scale, list(weights.values()), allow_unused=True
        )  # SDXL reads no further than the last but one layer of a text encoder
        count = len(questions)
        vectors = torch.zeros(count, self._projection.dimensions, device=losses.device)
        for name, gradient in zip(weights, gradients, strict=True):
            if gradient is not None:
                self._projection.add(vectors, name, gradient.reshape(count, -1) / scale)
        return losses.detach(), vectors


def load_weights(models: TrainedModels, folder: Path) -> None:
    """Put the adapter that a training left in `folder` in place of the models' own."""
    layers = read_layers(folder / FILE)
    with torch.no_grad():
        for part, named in layers.items():
            modules = {bare(name): module for name, module in models.by_part[part].named_modules()}
            for name, layer in named.items():
                module: Any = modules[name]
                _fill(module.lora_A, layer.down)
                _fill(module.lora_B, layer.up)
                if layer.magnitude is not None:
                    _fill(module.lora_magnitude_vector, layer.magnitude)


def _fill(factors: Any, values: Tensor) -> None:
    weight = factors["default"].weight
    weight.copy_(values.reshape(weight.shape))
