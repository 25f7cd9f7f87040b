"""LoRA on the attention (and feed-forward) layers of the UNet and the text encoders."""

from __future__ import annotations

import re

import torch
from peft import LoraConfig
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from harness.diffusion.dropout import SampleDropout
from harness.diffusion.targets import is_target, own_rank
from harness.errors import TrainingError
from harness.fingerprint import number_of
from harness.pages.train import Adapter

_LAYERS = (nn.Linear, nn.Conv2d)


def add_adapter(model: nn.Module, adapter: Adapter, part: str, dtype: torch.dtype) -> None:
    """Put a fresh LoRA into `model`: A from N(0, 1/r), B zero, so that nothing changes yet."""
    targets = _targets(model, adapter, part)
    ranks = {name: rank for name in targets if (rank := own_rank(adapter, name)) is not None}
    escaped = {re.escape(name): rank for name, rank in ranks.items()}
    model.add_adapter(  # type: ignore[operator]
        LoraConfig(
            r=adapter.rank,
            lora_alpha=adapter.effective_alpha,
            rank_pattern=escaped,
            alpha_pattern=dict(escaped) if adapter.alpha is None else {},
            lora_dropout=adapter.dropout,
            init_lora_weights="gaussian",
            target_modules=targets,
            use_dora=adapter.dora,
            use_rslora=adapter.rslora,
        )
    )
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(dtype)


def _targets(model: nn.Module, adapter: Adapter, part: str) -> list[str]:
    """Return the full names of the layers that get an adapter."""
    layers = [name for name, layer in model.named_modules() if isinstance(layer, _LAYERS)]
    chosen = [name for name in layers if is_target(adapter, name, part)]
    if not chosen:
        raise TrainingError(
            f"adapter.targets {adapter.targets!r} matches no layer of the UNet",
            hint=f"a layer is called, for example, {layers[len(layers) // 2]}",
        )
    return chosen


def hash_dropouts(model: nn.Module, part: str, salts: list[Tensor]) -> None:
    """Let every adapter's dropout depend on the samples of a pass, which `salts` tell apart."""
    for name, layer in model.named_modules():
        if isinstance(layer, LoraLayer):
            for key, dropout in layer.lora_dropout.items():
                if isinstance(dropout, nn.Dropout):
                    number = number_of(part, name) % 2**31
                    layer.lora_dropout[key] = SampleDropout(dropout.p, number, salts)
