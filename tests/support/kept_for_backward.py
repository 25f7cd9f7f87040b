"""What autograd really keeps for the way back, byte by byte."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from harness.pages.train import Train


class Ledger:
    """Storages that were kept, each once, without those of `known`."""

    def __init__(self, known: set[int]) -> None:
        self._known = known
        self._kept: dict[int, Tensor] = {}

    def add(self, tensor: Tensor) -> Tensor:
        place = tensor.untyped_storage()._cdata
        if place not in self._known:
            self._kept[place] = tensor
        return tensor

    def open(self) -> saved_tensors_hooks:
        return saved_tensors_hooks(self.add, lambda tensor: tensor)

    @property
    def places(self) -> set[int]:
        return self._known | set(self._kept)

    @property
    def bytes(self) -> int:
        return sum(each.untyped_storage().nbytes() for each in self._kept.values())


class FrugalAttention:
    """Attention by the memory-efficient kernel, which a device without a GPU would not choose."""

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: None = None,
    ) -> Tensor:
        words = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        split = [
            layer(read).unflatten(-1, (attn.heads, -1)).transpose(1, 2)
            for layer, read in ((attn.to_q, hidden_states), (attn.to_k, words), (attn.to_v, words))
        ]
        out = torch.ops.aten._scaled_dot_product_efficient_attention(*split, None, True)[0]
        mixed: Tensor = attn.to_out[0](out.transpose(1, 2).flatten(2))
        return mixed


def kept_by(unet: UNet2DConditionModel, train: Train, device: str, dtype: torch.dtype) -> float:
    """Return the bytes that one more sample keeps in a forward pass, recomputing as `train` says.

    Of the blocks that are run again, their inputs and the largest one's inside are counted.
    """
    few, many = (_kept(unet, train, device, dtype, count) for count in (1, 3))
    return (many - few) / 2


def kept_anyway(unet: UNet2DConditionModel, train: Train) -> float:
    """Return the bytes that a forward pass keeps on a CPU however few samples it has."""
    few, many = (_kept(unet, train, "cpu", torch.float32, count) for count in (1, 3))
    return few - (many - few) / 2


def _kept(
    unet: UNet2DConditionModel, train: Train, device: str, dtype: torch.dtype, count: int
) -> int:
    weights = [*unet.parameters(), *unet.buffers()]
    ledger = Ledger({each.untyped_storage()._cdata for each in weights})
    insides = [0]
    numbers: dict[int, int] = {}

    def call(block: nn.Module, *inputs: Any) -> Any:
        number = numbers.setdefault(id(block), len(numbers))
        if number % int(train.gradient_checkpointing):
            return block(*inputs)
        inside = Ledger(ledger.places)
        with inside.open():
            output = block(*inputs)
        insides.append(inside.bytes)
        if output.requires_grad:
            for each in inputs:
                if isinstance(each, Tensor):
                    ledger.add(each)
        return output

    if train.gradient_checkpointing:
        unet.enable_gradient_checkpointing(call)
    side, config = train.resolution // 8, unet.config
    pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
    options: dict[str, Any] = {"device": device, "dtype": dtype}
    said = {"requires_grad": train.trains_text}
    with ledger.open():
        output = unet(
            torch.zeros(count, config.in_channels, side, side, **options),
            torch.ones(count, device=device),
            torch.zeros(count, 77, config.cross_attention_dim, **options, **said),
            added_cond_kwargs={
                "text_embeds": torch.zeros(count, pooled, **options, **said),
                "time_ids": torch.zeros(count, 6, **options),
            },
        ).sample
    del output
    return ledger.bytes + max(insides)
