"""Adapter factors of each sample's own, so that one backward pass gives a gradient a sample.

A gradient is a sum over the samples of a pass. Here every sample of the pass multiplies with its
own copy of the factors, so the gradient of each copy is that of one sample. The copies are views:
only their gradients take memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from harness.diffusion.fused import FusedLinear


class _OwnFactors(FusedLinear):
    """A plain LoRA layer that multiplies each sample with that sample's factors."""

    own: tuple[Tensor, Tensor]
    """B × r × in and B × out × r."""

    def forward(self, x: Tensor, *_: Any, **__: Any) -> Tensor:
        down, up = self.own
        rows = x.reshape(len(down), -1, x.shape[-1])
        inner = torch.bmm(rows, down.to(rows.dtype).transpose(1, 2))
        change = torch.bmm(inner, up.to(rows.dtype).transpose(1, 2))
        y: Tensor = self.base_layer(x)
        return y + self.factor_scale * change.reshape(y.shape)


def can_separate(parameters: Mapping[str, nn.Parameter], models: Mapping[str, nn.Module]) -> bool:
    """Return whether every trained parameter is a factor of a plain LoRA layer."""
    factors = {
        id(factor)
        for model in models.values()
        for layer in model.modules()
        if isinstance(layer, FusedLinear)
        for factor in layer.factors
    }
    return all(id(parameter) in factors for parameter in parameters.values())


@contextmanager
def separated(models: Mapping[str, nn.Module], count: int) -> Iterator[dict[int, Tensor]]:
    """Give each of `count` samples its own factors; yield them by the id of what they copy."""
    layers = [
        layer
        for model in models.values()
        for layer in model.modules()
        if isinstance(layer, FusedLinear)
    ]
    copies: dict[int, Tensor] = {}
    for layer in layers:
        own = []
        for factor in layer.factors:
            copy = factor.detach().expand(count, *factor.shape).requires_grad_()
            copies[id(factor)] = copy
            own.append(copy)
        layer.own = (own[0], own[1])
        layer.__class__ = _OwnFactors
    try:
        yield copies
    finally:
        for layer in layers:
            layer.__class__ = FusedLinear
            del layer.own
