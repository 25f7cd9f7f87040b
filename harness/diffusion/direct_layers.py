"""SDXL's attention and residual blocks without the branches that SDXL does not take.

The classes of diffusers serve many models: at every call they look which of their branches to
take, read the signature of a function, and divide by 1. In a small network that is an eighth of a
training step. The layers here compute the same numbers in the same order, so no byte moves.
"""

from __future__ import annotations

from typing import Any

from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn
from torch.nn import functional as F


class DirectAttention(Attention):  # type: ignore[misc]  # diffusers has no types
    """Attention over the rows of a picture, or from them to the words of a text."""

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        **others: Any,
    ) -> Tensor:
        if attention_mask is not None or others or type(self.processor) is not AttnProcessor2_0:
            as_usual: Tensor = super().forward(
                hidden_states, encoder_hidden_states, attention_mask, **others
            )
            return as_usual
        words = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query, key, value = (
            rows.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for rows in (self.to_q(hidden_states), self.to_k(words), self.to_v(words))
        )
        mixed = F.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.to_out[0](mixed.transpose(1, 2).flatten(2))
        return out


class DirectResnetBlock(ResnetBlock2D):  # type: ignore[misc]
    """Two convolutions beside a shortcut; the time is added between them, if there is one."""

    def forward(
        self, input_tensor: Tensor, temb: Tensor | None = None, *_: Any, **__: Any
    ) -> Tensor:
        inner = self.conv1(self.nonlinearity(self.norm1(input_tensor)))
        if self.time_emb_proj is not None:
            inner = inner + self.time_emb_proj(self.nonlinearity(temb))[:, :, None, None]
        inner = self.conv2(self.nonlinearity(self.norm2(inner)))
        if self.conv_shortcut is not None:
            # In training diffusers changes the layout here; another one would add up otherwise.
            beside = input_tensor.contiguous() if self.training else input_tensor
            input_tensor = self.conv_shortcut(beside)
        out: Tensor = input_tensor + inner
        return out


def make_direct(model: nn.Module) -> int:
    """Let every layer that takes no other branch compute directly; return how many do."""
    count = 0
    for layer in model.modules():
        if type(layer) is Attention and _is_plain_attention(layer):
            layer.__class__ = DirectAttention
        elif type(layer) is ResnetBlock2D and _is_plain_resnet(layer):
            layer.__class__ = DirectResnetBlock
        else:
            continue
        count += 1
    return count


def _is_plain_attention(layer: Any) -> bool:
    norms = (layer.spatial_norm, layer.group_norm, layer.norm_cross, layer.norm_q, layer.norm_k)
    is_bare = all(norm is None for norm in norms) and not layer.residual_connection
    return is_bare and layer.rescale_output_factor == 1 and layer.to_out[1].p == 0


def _is_plain_resnet(layer: Any) -> bool:
    has_one_size = layer.upsample is None and layer.downsample is None
    adds_time = layer.time_embedding_norm == "default" and not layer.skip_time_act
    return has_one_size and adds_time and layer.output_scale_factor == 1 and layer.dropout.p == 0
