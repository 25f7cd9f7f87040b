"""Adapters on the attention (and feed-forward) layers of the UNet and the text encoders."""

from __future__ import annotations

import re

import torch
from peft import IA3Config, LoHaConfig, LoKrConfig, LoraConfig, OFTConfig, PeftConfig
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from harness.diffusion.dropout import SampleDropout
from harness.diffusion.targets import is_target, own_rank
from harness.errors import TrainingError
from harness.fingerprint import number_of
from harness.pages.train import Adapter

_LAYERS = (nn.Linear, nn.Conv2d)


def add_adapter(model: nn.Module, adapter: Adapter, part: str, dtype: torch.dtype) -> None:
    """Put a fresh adapter into `model`, which changes nothing yet: A of a LoRA from N(0, 1/r)."""
    targets = _targets(model, adapter, part)
    if adapter.use == "oft":
        _refuse_uneven(model, adapter, targets)
    config = _lora(adapter, targets) if adapter.use == "lora" else _other(adapter, targets)
    model.add_adapter(config)  # type: ignore[operator]
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(dtype)


def _other(adapter: Adapter, targets: list[str]) -> PeftConfig:
    """Return PEFT's settings of an adapter that is no LoRA."""
    if adapter.use == "oft":
        return OFTConfig(
            r=0, oft_block_size=adapter.rank, target_modules=targets, use_cayley_neumann=False
        )
    if adapter.use == "ia3":  # of inputs, because PEFT's scaled outputs scale the bias as well
        return IA3Config(target_modules=targets, feedforward_modules=targets)
    options = {"r": adapter.rank, "alpha": adapter.effective_alpha, "target_modules": targets}
    if adapter.use == "loha":
        return LoHaConfig(**options)
    return LoKrConfig(
        decompose_factor=adapter.factor or -1, decompose_both=adapter.decompose_both, **options
    )


def _refuse_uneven(model: nn.Module, adapter: Adapter, targets: list[str]) -> None:
    """Refuse layers that blocks do not fill: PEFT would take other blocks, and say so in a log."""
    for name in targets:
        layer = model.get_submodule(name)
        inputs = getattr(layer, "in_features", None)
        if inputs is None or inputs % adapter.rank:
            what = f"{inputs} inputs" if inputs else "a convolution"
            raise TrainingError(
                f"oft cannot rotate {name} in blocks of {adapter.rank}: it has {what}",
                hint="choose an adapter.rank that divides the inputs of all targets",
            )


def _lora(adapter: Adapter, targets: list[str]) -> LoraConfig:
    ranks = {name: rank for name in targets if (rank := own_rank(adapter, name)) is not None}
    escaped = {re.escape(name): rank for name, rank in ranks.items()}
    return LoraConfig(
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
