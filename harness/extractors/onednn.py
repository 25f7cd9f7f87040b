"""Layers of a network as oneDNN computes them, which torch carries: the fast way on a CPU.

torch gives linear layers to MKL, which leaves half of an AMD processor idle, and lays out the
weights of a convolution anew at each call. Here weights are laid out once, and the activation after
a layer is done with it. A convolution gives the bytes that torch's own gives. A linear layer gives
the same sums in another order. Neither depends on how many pictures are in a batch, nor on threads.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_OPERATIONS = (
    "_convolution_pointwise",
    "_linear_pointwise",
    "_reorder_convolution_weight",
    "_reorder_linear_weight",
)
_AFTER: dict[type[nn.Module], Callable[[Any], tuple[str, list[float], str]]] = {
    nn.Identity: lambda _: ("none", [], ""),
    nn.ReLU: lambda _: ("relu", [], ""),
    nn.ReLU6: lambda _: ("hardtanh", [0.0, 6.0], ""),
    nn.GELU: lambda after: ("gelu", [], after.approximate),
}
"""What oneDNN calls an activation that it can do with the layer before: name, numbers, variant."""


def serves(device: str) -> bool:
    """Return whether networks on this device can be computed by oneDNN's layers."""
    return (
        device == "cpu"
        and platform.machine() in ("x86_64", "AMD64")
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and all(hasattr(torch.ops.mkldnn, name) for name in _OPERATIONS)
    )


def fits(after: nn.Module) -> bool:
    """Return whether oneDNN can do an activation with the layer before it."""
    return type(after) in _AFTER


class Convolution(nn.Module):
    """A convolution and what follows it, in one pass; its input has channels last in memory."""

    def __init__(self, layer: nn.Conv2d, after: nn.Module) -> None:
        super().__init__()
        padding = [0, 0] if isinstance(layer.padding, str) else list(layer.padding)
        self._shape = padding, list(layer.stride), list(layer.dilation), layer.groups
        self._bias = None if layer.bias is None else layer.bias.detach()
        self._after = _AFTER[type(after)](after)
        self.weight: Tensor = torch.ops.mkldnn._reorder_convolution_weight(
            layer.weight.detach(), *self._shape, None
        )

    def forward(self, seen: Tensor) -> Tensor:
        made: Tensor = torch.ops.mkldnn._convolution_pointwise(
            seen, self.weight, self._bias, *self._shape, *self._after
        )
        return made


class Linear(nn.Module):
    """A linear layer and what follows it, in one pass."""

    def __init__(self, weight: Tensor, bias: Tensor | None, after: nn.Module) -> None:
        super().__init__()
        self._bias = None if bias is None else bias.detach()
        self._after = _AFTER[type(after)](after)
        self.weight: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), None)

    def forward(self, seen: Tensor) -> Tensor:
        made: Tensor = torch.ops.mkldnn._linear_pointwise(
            seen, self.weight, self._bias, *self._after
        )
        return made


class SelfAttention(nn.Module):
    """torch's attention of a sequence to itself, whose four products oneDNN computes."""

    def __init__(self, layer: nn.MultiheadAttention) -> None:
        super().__init__()
        self._heads, self._batch_first = layer.num_heads, layer.batch_first
        assert layer.in_proj_weight is not None
        self.into = Linear(layer.in_proj_weight, layer.in_proj_bias, nn.Identity())
        self.out = Linear(layer.out_proj.weight, layer.out_proj.bias, nn.Identity())

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        need_weights: bool = False,
        attn_mask: Tensor | None = None,
    ) -> tuple[Tensor, None]:
        if query is not key or key is not value or need_weights:
            raise TypeError("this attention is of a sequence to itself, and gives no weights")
        seen = query if self._batch_first else query.transpose(0, 1)
        q, k, v = self.into(seen).unflatten(-1, (3, self._heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=attn_mask)
        made = self.out(mixed.transpose(1, 2).flatten(2))
        return made if self._batch_first else made.transpose(0, 1), None


def attends_to_itself(layer: nn.MultiheadAttention) -> bool:
    """Return whether a layer has what `SelfAttention` knows, and nothing more."""
    return (
        layer.in_proj_weight is not None
        and layer.bias_k is None
        and layer.bias_v is None
        and not layer.add_zero_attn
    )


def quicken(network: nn.Module) -> None:
    """Put oneDNN's layers in place of the linear ones, and of attention; all must be on the CPU.

    A network whose attention looks at anything but its own input is no network for this.
    """
    for part in list(network.modules()):
        children = list(part.named_children())
        last: list[tuple[str, nn.Module]] = [("", nn.Identity())]
        for (name, child), (following, after) in pairwise(children + last):
            if isinstance(child, nn.MultiheadAttention) and attends_to_itself(child):
                setattr(part, name, SelfAttention(child))
            elif type(child) is nn.Linear:
                together = isinstance(part, nn.Sequential) and following and fits(after)
                follows = after if together else nn.Identity()
                setattr(part, name, Linear(child.weight, child.bias, follows))
                if together:
                    setattr(part, following, nn.Identity())
