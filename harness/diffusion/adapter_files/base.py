"""How large a change is beside the weights that it changes, where the base is on this machine."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np

from harness.diffusion.adapter_files.facts import InspectedLayer
from harness.diffusion.adapter_files.tensors import TensorFile, open_tensors
from harness.diffusion.layer_names import bare
from harness.errors import UsageError
from harness.pocket import locate

_PARTS = ("unet", "transformer", "text_encoder", "text_encoder_2")


class BaseWeights:
    """The weights of a base in a folder of diffusers, read layer by layer."""

    def __init__(self, model: str) -> None:
        folder = Path(locate(model))
        if not folder.is_dir():
            hint = "give the folder of a model in the form of diffusers"
            raise UsageError(f"{model} is not on this machine", hint=hint)
        self._where: dict[tuple[str, str], tuple[TensorFile, str]] = {}
        for part in _PARTS:
            for file in sorted((folder / part).glob("*.safetensors")):
                stored = open_tensors(file)
                for key in stored.entries:
                    if key.endswith(".weight"):
                        name = bare(key.removesuffix(".weight"))
                        self._where.setdefault((part, name), (stored, key))
        if not self._where:
            raise UsageError(f"{model} holds no weights in safetensors", hint="look into its unet/")
        self._energy = cache(self._energy_of)

    def relative(self, layers: Iterable[InspectedLayer]) -> float | None:
        """Return ‖ΔW‖ / ‖W‖ over the layers whose change and weights are both known."""
        both = [
            (layer.energy, energy)
            for layer in layers
            if layer.energy is not None
            and (energy := self._energy(layer.place.part, layer.place.name)) is not None
        ]
        below = math.fsum(energy for _, energy in both)
        return math.sqrt(math.fsum(change for change, _ in both) / below) if below else None

    def _energy_of(self, part: str, name: str) -> float | None:
        if (part, name) not in self._where:
            return None
        stored, key = self._where[part, name]
        weight = stored[key]
        return float(np.sum(weight * weight, dtype=np.float64))
