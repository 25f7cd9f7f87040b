"""Layers of PEFT's other kinds of adapter: LoKr, LoHa, OFT and (IA)³, as weight changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from peft.tuners.ia3 import IA3Layer
from peft.tuners.loha.layer import LoHaLayer
from peft.tuners.lokr.layer import LoKrLayer
from peft.tuners.oft.layer import OFTLayer
from torch import Tensor, nn

from harness.diffusion.adapter_files.beside import WeightChange
from harness.diffusion.adapter_files.tensors import Array
from harness.diffusion.layer_names import bare

LAYERS = (LoKrLayer, LoHaLayer, OFTLayer, IA3Layer)
WeightChanges = dict[str, dict[str, WeightChange]]
"""Changes by part, and by name without `text_model.`."""


def changes_of(models: Mapping[str, nn.Module], adapter: str = "default") -> WeightChanges:
    """Return the adapter layers of `models` that are no LoRA."""
    changes: WeightChanges = {}
    for part, model in models.items():
        for name, module in model.named_modules():
            if isinstance(module, LAYERS):
                changes.setdefault(part, {})[bare(name)] = change_of_module(module, adapter)
    return changes


def change_of_module(module: Any, adapter: str) -> WeightChange:
    """Return what a layer of PEFT does, by the tensors that its file would hold."""
    if isinstance(module, OFTLayer):
        rotation = module.oft_R[adapter]
        exact = not rotation.use_cayley_neumann
        return WeightChange("oft-input", {"oft_R": _array(rotation.weight)}, exact=exact)
    if isinstance(module, IA3Layer):
        return WeightChange("ia3-peft", {"ia3_l": _array(module.ia3_l[adapter])})
    kind = "lokr" if isinstance(module, LoKrLayer) else "loha"
    roles = {
        role: _array(getattr(module, role)[adapter])
        for role in module.adapter_layer_names
        if adapter in getattr(module, role)
    }
    scale = float(module.scaling[adapter])
    if {"lokr_w1", "lokr_w2"} <= set(roles):  # nothing there has a rank that alpha is divided by
        return WeightChange(kind, {**roles, "lokr_w1": roles["lokr_w1"] * np.float32(scale)})
    return WeightChange(kind, roles, scale)


def _array(tensor: Tensor) -> Array:
    values: Array = tensor.detach().float().cpu().numpy().copy()
    return values
