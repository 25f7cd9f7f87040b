"""Attention one head at a time, for GPUs that cannot hold the scores of a whole layer.

On a GPU with a memory-efficient kernel this only costs time. Without one, as in fp32 on old GPUs,
only the scores of one head are held at a time.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint


class HeadByHead:
    """The attention of SDXL's UNet, head by head.

    Each head is recomputed in the backward pass, so that its scores need not be kept.
    """

    def __call__(
        self,
        layer: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        **_: Any,
    ) -> Tensor:
        words = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        split = [
            part.unflatten(-1, (layer.heads, -1)).transpose(1, 2).unbind(1)
            for part in (layer.to_q(hidden_states), layer.to_k(words), layer.to_v(words))
        ]
        heads = [self._one(*parts) for parts in zip(*split, strict=True)]
        mixed: Tensor = layer.to_out[0](torch.cat(heads, dim=-1))
        return mixed

    @staticmethod
    def _one(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        output: Tensor = checkpoint(
            F.scaled_dot_product_attention, query, key, value, use_reentrant=False
        )
        return output
