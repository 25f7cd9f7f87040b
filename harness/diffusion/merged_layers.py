"""Rotated inputs as whole differences: no user interface reads OFT in the form of PEFT."""

from __future__ import annotations

import torch

from harness.diffusion.adapter_files.beside import WeightChange
from harness.diffusion.adapter_files.tensors import Array
from harness.diffusion.layer_names import bare
from harness.diffusion.load import load_text_encoders, load_unet
from harness.diffusion.other_layers import WeightChanges
from harness.pages.recipe import Base


def as_interfaces_read(changes: WeightChanges, base: Base) -> WeightChanges:
    """Return changes in kinds that user interfaces read; the base is loaded only where it must.

    They rotate a layer's outputs, PEFT its inputs, and neither can be written as the other.
    """
    kinds = {change.kind for named in changes.values() for change in named.values()}
    if "oft-input" not in kinds:
        return changes
    weights = _weights(base, set(changes))
    return {
        part: {
            name: change if change.kind != "oft-input" else _difference(change, weights[part, name])
            for name, change in named.items()
        }
        for part, named in changes.items()
    }


def _difference(change: WeightChange, weight: Array) -> WeightChange:
    added, _ = change.of(weight, None)
    return WeightChange("full", {"diff": added})


def _weights(base: Base, parts: set[str]) -> dict[tuple[str, str], Array]:
    """Return the weights of the layers of some parts of a base, in fp32."""
    models = {"unet": load_unet(base, "cpu", torch.float32)}
    if parts - {"unet"}:
        encoders = load_text_encoders(base, "cpu", torch.float32)
        models |= {"text_encoder": encoders.first, "text_encoder_2": encoders.second}
    return {
        (part, bare(name.removesuffix(".weight"))): parameter.detach().numpy()
        for part, model in models.items()
        for name, parameter in model.named_parameters()
        if name.endswith(".weight")
    }
