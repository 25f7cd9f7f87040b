"""Which layers get an adapter, of which rank, and how many parameters that adds; pure."""

from __future__ import annotations

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
    magnitudes = layer.outputs if rank and adapter.dora else 0
    return rank * (layer.inputs * layer.kernel**2 + layer.outputs) + magnitudes
