"""The words that name our optimizers on a recipe page. Imports no network library."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from harness.conflicts import Conflict
from harness.interfaces import OptimizerSpec, StateScope

Beta = Annotated[float, Field(ge=0, lt=1)]
Decay = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Small = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Decayed(OptimizerSpec):
    """An optimizer that pulls weights towards zero."""

    weight_decay: Decay = 0.01
    """The pull of weights towards zero; 0 for none."""
    text_encoder_weight_decay: Decay | None = None
    """Another decay for the text encoders; if left out, the same."""


class AdamW(_Decayed):
    """AdamW with the defaults of the diffusers scripts."""

    implementation: ClassVar[str] = "harness.training.optimizers:adamw"
    summary: ClassVar[str] = "AdamW"
    state_scope: ClassVar[StateScope] = "number"
    use: Literal["adamw"]
    beta1: Beta = 0.9
    """The decay of the mean of gradients."""
    beta2: Beta = 0.999
    """The decay of the mean of squared gradients."""
    eps: Small = 1e-8
    """Added to the divisor, so that it is never zero."""


class AdamW8bit(AdamW):
    """AdamW with 8-bit state, through bitsandbytes; needs CUDA."""

    implementation: ClassVar[str] = "harness.training.optimizers:adamw_8bit"
    summary: ClassVar[str] = "AdamW with 8-bit state (bitsandbytes, CUDA only)"
    needs_cuda: ClassVar[bool] = True
    state_scope: ClassVar[StateScope] = "everything"
    use: Literal["adamw-8bit"]  # type: ignore[assignment]


class ScheduleFree(AdamW):
    """AdamW that averages its own weights and needs no falling rate (arXiv:2405.15682)."""

    implementation: ClassVar[str] = "harness.training.optimizers:schedule_free"
    summary: ClassVar[str] = "schedule-free AdamW (averages the weights; constant rate only)"
    scheduled: ClassVar[bool] = False
    use: Literal["schedule-free"]  # type: ignore[assignment]


class Prodigy(_Decayed):
    """Prodigy, which finds its own step size; the rate is a multiplier, normally 1.0."""

    implementation: ClassVar[str] = "harness.training.optimizers:prodigy"
    summary: ClassVar[str] = "Prodigy (finds its own step size; rate 1.0)"
    use: Literal["prodigy"]
    beta1: Beta = 0.9
    """The decay of the mean of gradients."""
    beta2: Beta = 0.999
    """The decay of the mean of squared gradients."""
    d_coef: Small = 1.0
    """The factor on the step size that Prodigy finds."""
    bias_correction: bool = True
    """Correct the first steps, as Adam does."""
    safeguard_warmup: bool = True
    """Keep a warm-up from making the step size too large."""

    def conflict(
        self,
        rate: float,
        text_encoder_rates: tuple[float, float] | None,
        token_rate: float | None = None,
    ) -> Conflict | None:
        others = {
            "text_encoder_rates": text_encoder_rates or (),
            "token_rate": () if token_rate is None else (token_rate,),
        }
        for name, rates in others.items():
            if any(other != rate for other in rates):
                message = f"must equal rate ({rate:g}): prodigy has one step size for all"
                return Conflict((name,), message)
        return None


class Adafactor(_Decayed):
    """Adafactor at fixed rates: no parameter scaling."""

    implementation: ClassVar[str] = "harness.training.optimizers:adafactor"
    summary: ClassVar[str] = "Adafactor at fixed rates"
    state_scope: ClassVar[StateScope] = "tensor"
    use: Literal["adafactor"]
    weight_decay: Decay = 0.0
    relative_step: bool = False
    """Only false is accepted: true would ignore every rate of the page."""

    @field_validator("relative_step")
    @classmethod
    def _keeps_rates(cls, value: bool) -> bool:
        if value:
            raise ValueError("drops every rate of the page: set it to false")
        return value


class Lion(_Decayed):
    """Lion, which moves every weight by the sign of its momentum (arXiv:2302.06675)."""

    implementation: ClassVar[str] = "harness.training.optimizers:lion"
    summary: ClassVar[str] = "Lion (sign of the momentum; a third of AdamW's rate or less)"
    state_scope: ClassVar[StateScope] = "number"
    use: Literal["lion"]
    beta1: Beta = 0.9
    """The share of the momentum in the direction of a step."""
    beta2: Beta = 0.99
    """The decay of the momentum."""


class Came(_Decayed):
    """CAME, confidence-guided Adafactor (arXiv:2307.02047)."""

    implementation: ClassVar[str] = "harness.training.optimizers:came"
    summary: ClassVar[str] = "CAME (factored moments, weighed by confidence)"
    state_scope: ClassVar[StateScope] = "tensor"
    use: Literal["came"]
    beta1: Beta = 0.9
    """The decay of the mean of updates."""
    beta2: Beta = 0.999
    """The decay of the mean of squared gradients."""
    beta3: Beta = 0.9999
    """The decay of the confidence."""
