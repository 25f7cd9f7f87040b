"""Write LoRA files: for diffusers, and for user interfaces in the format of sd-scripts."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn

from harness.diffusion.adapter_files.beside import WeightChange
from harness.diffusion.adapter_files.factors import rank_of
from harness.diffusion.adapter_files.tensors import Array
from harness.diffusion.adapter_layers import Layer, Layers, layers_of
from harness.diffusion.adapter_settings import SETTINGS
from harness.diffusion.layer_names import Blocks, diffusers_name, kohya_name
from harness.diffusion.other_layers import WeightChanges, changes_of
from harness.errors import TrainingError
from harness.files import write_bytes

FILE = "adapter.safetensors"
_UNET_ENDS = ("lora_A.weight", "lora_B.weight", "lora_magnitude_vector")
_TEXT_ENDS = (
    "lora_linear_layer.down.weight",
    "lora_linear_layer.up.weight",
    "lora_magnitude_vector.weight",
)


def save_adapter(models: Mapping[str, nn.Module], folder: Path, facts: Mapping[str, str]) -> None:
    """Write the adapters of `models` into one file; equal adapters are equal files."""
    if changes := changes_of(models):
        tensors, needed = change_tensors(changes, diffusers_name)
    else:
        tensors, needed = diffusers_tensors(layers_of(models))
    write_tensors(tensors, folder / FILE, {**facts, **needed})


def change_tensors(
    changes: WeightChanges, name_of: Callable[[str, str], str]
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the layers of any kind but LoRA under names of `name_of`, each with its alpha.

    (IA)³ is written as LyCORIS does, which has no scale of outputs with a bias; what it cannot
    say is refused.
    """
    tensors: dict[str, Tensor] = {}
    settings: dict[str, Any] = {}
    for part, named in changes.items():
        for name, change in named.items():
            spelled = name_of(part, name)
            for role, values in _roles_of(change).items():
                tensors[f"{spelled}.{_ENDS.get(role, role)}"] = torch.from_numpy(values)
            if change.exact:
                settings[f"{part}.use_cayley_neumann"] = False
    needed = {SETTINGS: json.dumps(settings, sort_keys=True)} if settings else {}
    return tensors, {"format": "pt", **needed}


_ENDS = {"oft_R": "oft_R.weight"}
"""The ends of keys that are not the name of the role."""


def _roles_of(change: WeightChange) -> dict[str, Array]:
    """Return the tensors of one layer, with an alpha where its kind has one."""
    if change.kind == "ia3-peft":
        values = change.roles["ia3_l"]
        if values.shape[0] != 1 or values.ndim != 2:
            raise TrainingError("only (IA)³ of a linear layer's inputs can be written")
        return {"weight": values.reshape(-1) - 1, "on_input": np.array(1)}
    roles = dict(change.roles)
    if change.kind in ("lokr", "loha"):
        rank = rank_of(change.kind, roles) or 1
        roles["alpha"] = np.array(change.scale * rank, np.float32)
    return roles


def diffusers_tensors(layers: Layers) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return what `load_lora_weights` reads: tensors, and metadata with rank and alpha.

    The UNet has PEFT's names and the text encoders those of diffusers: diffusers 0.42 with
    transformers 5 silently drops other names, feed-forward layers and magnitudes first.
    """
    tensors: dict[str, Tensor] = {}
    settings: dict[str, Any] = {}
    for part, named in layers.items():
        down, up, magnitude = _UNET_ENDS if part == "unet" else _TEXT_ENDS
        for name, layer in named.items():
            spelled = diffusers_name(part, name)
            tensors[f"{spelled}.{down}"], tensors[f"{spelled}.{up}"] = layer.down, layer.up
            if layer.magnitude is not None:
                tensors[f"{spelled}.{magnitude}"] = magnitude_of(layer, layer.magnitude)
        settings |= {f"{part}.{key}": value for key, value in peft_settings(named).items()}
    return tensors, {"format": "pt", SETTINGS: json.dumps(settings, sort_keys=True)}


def magnitude_of(layer: Layer, magnitude: Tensor) -> Tensor:
    """Return a magnitude as PEFT keeps it: a vector, or 1 × N × 1 × 1 for a convolution."""
    return magnitude.reshape(1, -1, 1, 1) if layer.up.ndim == 4 else magnitude


def peft_settings(layers: Mapping[str, Layer]) -> dict[str, Any]:
    """Return the fields of a LoraConfig that describe `layers`; every release of PEFT has them."""
    ranks = {name: layer.rank for name, layer in layers.items()}
    alphas = {name: layer.alpha for name, layer in layers.items()}
    rank, alpha = _usual(ranks.values()), _usual(alphas.values())
    return {
        "r": rank,
        "lora_alpha": alpha,
        "rank_pattern": _patterns(ranks, rank),
        "alpha_pattern": _patterns(alphas, alpha),
        "target_modules": sorted(layers),
        "use_dora": any(layer.magnitude is not None for layer in layers.values()),
    }


def _patterns(values: Mapping[str, Any], usual: Any) -> dict[str, Any]:
    """Return a pattern for every value that is not the usual one.

    PEFT tries every pattern on every layer: with one a layer, SDXL takes a minute longer to load.
    """
    by_value: dict[Any, list[str]] = {}
    for name, value in values.items():
        if value != usual:
            by_value.setdefault(value, []).append(name)
    return {"|".join(map(re.escape, names)): value for value, names in by_value.items()}


def _usual(values: Iterable[Any]) -> Any:
    """Return the most frequent value, of several the smallest."""
    counted = Counter(values)
    return min(counted, key=lambda value: (-counted[value], value))


def kohya_tensors(layers: Layers, blocks: Blocks) -> dict[str, Tensor]:
    """Return the layers under the names and in the shapes of sd-scripts, each with its alpha.

    The `dora_scale` of a DoRA is N × 1: one magnitude for each output, as PEFT trains it.
    """
    tensors = {}
    for part, named in layers.items():
        for name, layer in named.items():
            spelled = kohya_name(part, name, blocks)
            tensors[f"{spelled}.lora_down.weight"] = layer.down
            tensors[f"{spelled}.lora_up.weight"] = layer.up
            tensors[f"{spelled}.alpha"] = _scalar(layer.alpha)
            if layer.magnitude is not None:
                shape = (-1, *(1,) * (layer.up.ndim - 1))
                tensors[f"{spelled}.dora_scale"] = layer.magnitude.reshape(shape)
    return tensors


def _scalar(alpha: float) -> Tensor:
    """Return a number as float32 if that is exact, else as float64."""
    single = torch.tensor(alpha, dtype=torch.float32)
    return single if single.item() == alpha else torch.tensor(alpha, dtype=torch.float64)


def write_tensors(tensors: Mapping[str, Tensor], file: Path, metadata: Mapping[str, str]) -> None:
    """Write a safetensors file, whole or not at all, its header in one fixed order.

    The library's own writer puts the metadata in random order.
    """
    header, data = _header_and_data(tensors)
    text = json.dumps({**header, "__metadata__": dict(metadata)}, sort_keys=True).encode()
    text += b" " * (-len(text) % 8)
    write_bytes(file, len(text).to_bytes(8, "little") + text + data)


def digest_of(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of the bytes that `write_tensors` writes behind the header."""
    return sha256(_header_and_data(tensors)[1]).hexdigest()


def _header_and_data(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], bytes]:
    content = save({name: tensors[name].contiguous() for name in sorted(tensors)})
    size = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + size]), content[8 + size :]
