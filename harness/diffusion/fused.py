"""A LoRA layer as one autograd function: fewer kernels, and it keeps only what it needs.

PEFT adds its branch with four operations forward and six backward, and keeps the results of
each. Here both are matrix products that add onto one another in place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from peft.tuners.lora import Linear
from torch import Tensor, nn


class _Adapted(torch.autograd.Function):
    """x Wᵀ + b + s (x Aᵀ) Bᵀ, for rows x; W and b are frozen.

    `casts` are A and B in the format of x, if A and B are in another.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        down: Tensor,
        up: Tensor,
        s: float,
        casts: tuple[Tensor, Tensor] | None,
    ) -> Tensor:
        down, up = casts or (down, up)
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
        return g_x, None, None, g_inner.t().mm(x), g_up, None, None


class FusedLinear(Linear):  # type: ignore[misc]  # PEFT has no types
    """A plain LoRA layer whose forward is one function.

    It is a class and not a function set on the layer, so that compiled blocks share their code.
    """

    factors: tuple[Tensor, Tensor]
    casts: tuple[Tensor, Tensor] | None
    """Both factors in the format of autocast, while `Casts` holds them."""
    factor_scale: float

    def forward(self, x: Tensor, *_: Any, **__: Any) -> Tensor:
        kind = x.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
        base: Any = self.base_layer
        weight, bias = base.weight, base.bias
        rows = x.reshape(-1, x.shape[-1]).to(dtype)
        down, up = self.factors
        if self.casts is None:
            down, up = down.to(dtype), up.to(dtype)
        y: Tensor = _Adapted.apply(
            rows,
            weight.to(dtype),
            None if bias is None else bias.to(dtype),
            down,
            up,
            self.factor_scale,
            self.casts,
        )
        return y.view(*x.shape[:-1], y.shape[-1])


def fuse(model: nn.Module) -> int:
    """Fuse every plain LoRA layer of `model`; return how many.

    Layers with dropout or DoRA stay as they are.
    """
    plain: list[Any] = [
        layer for layer in model.modules() if type(layer) is Linear and _is_plain(layer)
    ]
    for layer in plain:
        (name,) = layer.active_adapters
        layer.__class__ = FusedLinear
        layer.factors = (layer.lora_A[name].weight, layer.lora_B[name].weight)
        layer.casts = None
        layer.factor_scale = float(layer.scaling[name])
    return len(plain)


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


class Casts:
    """The factors of all fused layers in the format of autocast, cast once for several passes.

    Else every layer casts its factors in every pass: two small kernels each, over a thousand in
    SDXL. They are held only during a block in which the factors do not change.
    """

    def __init__(self, models: Iterable[nn.Module]) -> None:
        modules = (module for model in models for module in model.modules())
        self._layers = [module for module in modules if isinstance(module, FusedLinear)]
        self._copies: list[Tensor] = []

    @contextmanager
    def held(self, dtype: torch.dtype) -> Iterator[None]:
        """Let every layer use factors in `dtype` during the block."""
        factors = [each.detach() for layer in self._layers for each in layer.factors]
        if all(each.dtype == dtype for each in factors):
            yield
            return
        if not self._copies:
            self._copies = [torch.empty_like(each, dtype=dtype) for each in factors]
        torch._foreach_copy_(self._copies, factors)
        pairs = zip(self._copies[::2], self._copies[1::2], strict=True)
        for layer, casts in zip(self._layers, pairs, strict=True):
            layer.casts = casts
        try:
            yield
        finally:
            for layer in self._layers:
                layer.casts = None
