"""The words that name our optimizers on a recipe page. Imports no network library."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from harness.interfaces import OptimizerSpec

Beta = Annotated[float, Field(ge=0, lt=1)]
Decay = Annotated[float, Field(ge=0)]


class AdamW(OptimizerSpec):
    """AdamW with the defaults of the diffusers scripts."""

    implementation: ClassVar[str] = "harness.diffusion.optimizers:adamw"
    summary: ClassVar[str] = "AdamW"
    use: Literal["adamw"]
    beta1: Beta = 0.9
    beta2: Beta = 0.999
    weight_decay: Decay = 0.01
    eps: Annotated[float, Field(gt=0)] = 1e-8


class AdamW8bit(AdamW):
    """AdamW with 8-bit state, through bitsandbytes; needs CUDA."""

    implementation: ClassVar[str] = "harness.diffusion.optimizers:adamw_8bit"
    summary: ClassVar[str] = "AdamW with 8-bit state (bitsandbytes, CUDA only)"
    use: Literal["adamw-8bit"]  # type: ignore[assignment]


class Prodigy(OptimizerSpec):
    """Prodigy, which finds its own step size; the rate is a multiplier, normally 1.0."""

    implementation: ClassVar[str] = "harness.diffusion.optimizers:prodigy"
    summary: ClassVar[str] = "Prodigy (finds its own step size; rate 1.0)"
    use: Literal["prodigy"]
    beta1: Beta = 0.9
    beta2: Beta = 0.999
    weight_decay: Decay = 0.01
    d_coef: Annotated[float, Field(gt=0)] = 1.0
    bias_correction: bool = True
    safeguard_warmup: bool = True

    def quarrel(self, rate: float, text_encoder_rates: tuple[float, float] | None) -> str | None:
        if text_encoder_rates and any(other != rate for other in text_encoder_rates):
            return "prodigy has one step size for all: text_encoder_rates must equal rate"
        return None


class Adafactor(OptimizerSpec):
    """Adafactor at fixed rates: no relative step, no parameter scaling."""

    implementation: ClassVar[str] = "harness.diffusion.optimizers:adafactor"
    summary: ClassVar[str] = "Adafactor at fixed rates"
    use: Literal["adafactor"]
    weight_decay: Decay = 0.0
