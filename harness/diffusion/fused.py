"""A LoRA layer as one autograd function: fewer kernels, and it keeps only what it needs.

PEFT adds its branch with four operations forward and six backward, and keeps the results of
each. Here both are matrix products that add onto one another in place.
"""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners.lora import Linear
from torch import Tensor, nn


class _Adapted(torch.autograd.Function):
    """x Wᵀ + b + s (x Aᵀ) Bᵀ, for rows x; W and b are frozen."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, down: Tensor, up: Tensor, s: float
    ) -> Tensor:
        y = x.mm(weight.t()) if bias is None else torch.addmm(bias, x, weight.t())
        inner = x.mm(down.t())
        y.addmm_(inner, up.t(), alpha=s)
        ctx.save_for_backward(x, weight, down, up, inner)
        ctx.s = s
        return y

    @staticmethod
    def backward(ctx: Any, *above: Tensor) -> tuple[Tensor | None, ...]:
        (g,) = above
        x, weight, down, up, inner = ctx.saved_tensors
        g_inner = g.mm(up)
        if ctx.s != 1:
            g_inner *= ctx.s
        g_x = None
        if ctx.needs_input_grad[0]:
            g_x = g.mm(weight)
            g_x.addmm_(g_inner, down)
        g_up = g.t().mm(inner)
        if ctx.s != 1:
            g_up *= ctx.s
        return g_x, None, None, g_inner.t().mm(x), g_up, None


def fuse(model: nn.Module) -> int:
    """Fuse every plain LoRA layer of `model`; return how many.

    Layers with dropout or DoRA stay as they are.
    """
    count = 0
    for layer in model.modules():
        if type(layer) is Linear and _is_plain(layer):
            layer.forward = _Fused(layer)
            count += 1
    return count


def _is_plain(layer: Linear) -> bool:
    (name,) = layer.active_adapters
    base = layer.get_base_layer()
    is_frozen = not any(part.requires_grad for part in base.parameters())
    return (
        type(base) is nn.Linear
        and is_frozen
        and isinstance(layer.lora_dropout[name], nn.Identity)
        and name not in layer.lora_variant
    )


class _Fused:
    """The forward of one layer."""

    def __init__(self, layer: Linear) -> None:
        (name,) = layer.active_adapters
        self._base = layer.get_base_layer()
        self._down, self._up = layer.lora_A[name].weight, layer.lora_B[name].weight
        self._scale = float(layer.scaling[name])

    def __call__(self, x: Tensor, *_: Any, **__: Any) -> Tensor:
        kind = x.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
        weight, bias = self._base.weight, self._base.bias
        rows = x.reshape(-1, x.shape[-1]).to(dtype)
        y: Tensor = _Adapted.apply(
            rows,
            weight.to(dtype),
            None if bias is None else bias.to(dtype),
            self._down.to(dtype),
            self._up.to(dtype),
            self._scale,
        )
        return y.view(*x.shape[:-1], y.shape[-1])
