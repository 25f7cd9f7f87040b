"""What a trainer does where its config says nothing, and what it counts in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

TRANSFORMER = r"attentions.*(proj_in|proj_out|to_[qkv]|to_out\.0|ff\.net\.(0\.proj|2))$"
"""Every linear layer of the UNet's transformers: the 722 that sd-scripts puts adapters on."""


@dataclass(frozen=True)
class Habits:
    """One trainer's defaults, by our words, and its units."""

    trainer: str
    """As its users call it."""
    defaults: dict[str, Any] = field(default_factory=dict)
    """What a field says where no figure does, by field; only what differs from our own default."""
    trains_text: bool = False
    """Whether a LoRA trains the text encoders unless the config forbids it."""
    steps_are_batches: bool = False
    """Whether steps are counted a batch and not an optimizer step."""
    warmup_in_batches: bool = False
    """Whether the warm-up is counted a batch."""
    warmup: float = 0
    """The warm-up where no figure gives one; below 1 a share of the steps."""
    epochs_win: bool = False
    """Whether epochs decide how long a run is where steps are given too."""
    constant_is_plain: bool = False
    """Whether the schedule `constant` takes no warm-up, as that of diffusers."""
    layers: dict[str, str] = field(default_factory=dict)
    """Our `adapter.targets` for each of its words for a choice of layers."""
    weight_decay: dict[str, float] = field(default_factory=dict)
    """The decay of each of our optimizers, where it is not ours."""
