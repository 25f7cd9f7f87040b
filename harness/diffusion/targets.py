"""Which layers get an adapter, of which rank, and how many parameters that adds; pure."""

from __future__ import annotations

import math
import re

from harness.diffusion.anatomy import Layer
from harness.pages.train import Adapter

_UNET = {
    "attention": ("to_q", "to_k", "to_v", "to_out.0"),
    "attention+ff": ("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2"),
}
_TEXT_ENCODER = {
    "attention": ("q_proj", "k_proj", "v_proj", "out_proj"),
    "attention+ff": ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"),
}
"""The last words of a layer's name, for each word that `adapter.targets` may be."""


def is_target(adapter: Adapter, name: str, part: str = "unet") -> bool:
    """Return whether a linear or convolutional layer of this name gets an adapter.

    A pattern in `adapter.targets` is for the UNet; text encoders then get one on attention.
    """
    if part == "unet" and adapter.targets not in _UNET:
        return re.search(adapter.targets, name) is not None
    ends = _UNET if part == "unet" else _TEXT_ENCODER
    chosen = ends.get(adapter.targets, ends["attention"])
    return name.endswith(tuple(f".{end}" for end in chosen))


def own_rank(adapter: Adapter, name: str) -> int | None:
    """Return the rank that `adapter.ranks` gives to a layer; None if no pattern matches."""
    ranks = (rank for pattern, rank in adapter.ranks.items() if re.search(pattern, name))
    return next(ranks, None)


def rank_of(adapter: Adapter, layer: Layer, part: str = "unet") -> int:
    """Return the rank of the adapter on a layer; 0 if the layer gets none."""
    if layer.kind not in ("linear", "conv") or not is_target(adapter, layer.name, part):
        return 0
    return own_rank(adapter, layer.name) or adapter.rank


def adapter_parameters(adapter: Adapter, layer: Layer, part: str = "unet") -> int:
    """Return the parameters of the adapter on a layer: both factors, and DoRA's magnitudes."""
    rank = rank_of(adapter, layer, part)
    if rank and adapter.use != "lora":
        return _other_parameters(adapter, layer)
    magnitudes = layer.outputs if rank and adapter.dora else 0
    return rank * (layer.inputs * layer.kernel**2 + layer.outputs) + magnitudes


def _other_parameters(adapter: Adapter, layer: Layer) -> int:
    """Return the parameters of an adapter on a layer that is no LoRA, as PEFT makes it."""
    rank, window = adapter.rank, layer.kernel**2
    if adapter.use == "ia3":
        return layer.inputs
    if adapter.use == "oft":
        return layer.inputs // rank * rank * (rank - 1) // 2
    if adapter.use == "loha":
        return 2 * rank * (layer.inputs * window + layer.outputs)
    (a, b), (c, d) = (factors(side, adapter.factor) for side in (layer.outputs, layer.inputs))
    small = rank * (a + c) if adapter.decompose_both and rank < max(a, c) / 2 else a * c
    large = rank * (b + d * window) if rank < max(b, d) / 2 else b * d * window
    return small + large


def factors(side: int, most: int | None) -> tuple[int, int]:
    """Return two factors of a side, as PEFT does: the first is `most` where that is a divisor.

    Else it is the largest divisor that is neither above `most` nor above the second.
    """
    if most and side % most == 0:
        return most, side // most
    limit = min(most or side, math.isqrt(side))
    small = max(each for each in range(1, limit + 1) if side % each == 0)
    return small, side // small
