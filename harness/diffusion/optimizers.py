"""The code behind the optimizers' words."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim import Optimizer

from harness.diffusion.specs import Adafactor, AdamW, AdamW8bit, Prodigy
from harness.errors import MissingPrerequisite

Groups = list[dict[str, Any]]
"""Parameter groups, each with its own rate."""


def adamw(spec: AdamW, groups: Groups) -> Optimizer:
    return torch.optim.AdamW(
        groups, betas=(spec.beta1, spec.beta2), weight_decay=spec.weight_decay, eps=spec.eps
    )


def adamw_8bit(spec: AdamW8bit, groups: Groups) -> Optimizer:
    try:
        from bitsandbytes.optim import AdamW8bit as EightBit
    except ImportError as error:
        raise MissingPrerequisite(
            "optimizer adamw-8bit needs bitsandbytes and a CUDA device",
            hint="pip install bitsandbytes, or use adamw; `harness rehearse` does that for you",
        ) from error
    optimizer: Optimizer = EightBit(
        groups, betas=(spec.beta1, spec.beta2), weight_decay=spec.weight_decay, eps=spec.eps
    )
    return optimizer


def prodigy(spec: Prodigy, groups: Groups) -> Optimizer:
    try:
        from prodigyopt import Prodigy as Implementation
    except ImportError as error:
        raise MissingPrerequisite(
            "optimizer prodigy needs prodigyopt", hint="pip install prodigyopt"
        ) from error
    optimizer: Optimizer = Implementation(
        groups, betas=(spec.beta1, spec.beta2), weight_decay=spec.weight_decay,
        d_coef=spec.d_coef, decouple=True, use_bias_correction=spec.bias_correction,
        safeguard_warmup=spec.safeguard_warmup,
    )  # fmt: skip
    return optimizer


def adafactor(spec: Adafactor, groups: Groups) -> Optimizer:
    from transformers.optimization import Adafactor as Implementation

    optimizer: Optimizer = Implementation(
        groups, scale_parameter=False, relative_step=False, warmup_init=False,
        weight_decay=spec.weight_decay,
    )  # fmt: skip
    return optimizer
