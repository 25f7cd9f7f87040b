"""The adapter layers of a model in one plain form: two matrices and a scale for each layer.

Every reader of a file ends in this form and every writer starts from it, so no file format needs
to know another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from harness.diffusion.layer_names import bare


@dataclass(frozen=True)
class Layer:
    """ΔW = scale · up · down; with a magnitude, every row of W + ΔW is scaled to it (DoRA)."""

    down: Tensor
    up: Tensor
    scale: float = 1.0
    magnitude: Tensor | None = None

    @property
    def rank(self) -> int:
        return self.down.shape[0]

    @property
    def alpha(self) -> float:
        """Return the alpha that gives this scale at this rank, as alpha / rank."""
        return self.scale * self.rank


Layers = dict[str, dict[str, Layer]]
"""Layers by part, and by name without `text_model.`."""


def layers_of(models: Mapping[str, nn.Module], adapter: str = "default") -> Layers:
    """Return the adapter layers of `models`, at their present scale."""
    layers: Layers = {}
    for part, model in models.items():
        layers[part] = {}
        for name, module in model.named_modules():
            if isinstance(module, LoraLayer) and adapter in module.scaling:
                layers[part][bare(name)] = _layer_of(module, adapter)
    return {part: named for part, named in layers.items() if named}


def _layer_of(module: Any, adapter: str) -> Layer:
    magnitudes = module.lora_magnitude_vector
    return Layer(
        down=_to_cpu(module.lora_A[adapter].weight),
        up=_to_cpu(module.lora_B[adapter].weight),
        scale=float(module.scaling[adapter]),
        magnitude=_to_cpu(magnitudes[adapter].weight).flatten() if adapter in magnitudes else None,
    )


def _to_cpu(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().clone().contiguous()
