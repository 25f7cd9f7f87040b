"""The code of the optimizers.

Groups arrive with parameters, a rate and perhaps a weight decay of their own; the loop sets the
rate of every step. A part without a rate must have no gradient: even at rate 0,
moments would change.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from harness.errors import MissingPrerequisite
from harness.interfaces import OptimizerSpec
from harness.training import specs

Groups = list[dict[str, Any]]
"""Parameter groups, each with its own rate."""
TEXT_PARTS = frozenset({"text_encoder", "text_encoder_2"})


def weight_decay_for(spec: OptimizerSpec, part: str) -> float:
    """Return the weight decay of one part; new tokens have none, since decay would weaken them."""
    if part == "tokens":
        return 0.0
    if part in TEXT_PARTS and getattr(spec, "text_encoder_weight_decay", None) is not None:
        return float(getattr(spec, "text_encoder_weight_decay"))  # noqa: B009 (not every spec)
    return float(getattr(spec, "weight_decay", 0.0))


@contextlib.contextmanager
def averaged(optimizer: Optimizer) -> Iterator[None]:
    """Put the weights that are saved in place during the block, then restore the others exactly.

    Only schedule-free knows a difference: it trains at one point and keeps a mean.
    """
    if "train_mode" not in optimizer.param_groups[0]:
        yield
        return
    moving = [each for group in optimizer.param_groups for each in group["params"]]
    before = [each.detach().clone() for each in moving]
    optimizer.eval()  # type: ignore[attr-defined]
    try:
        yield
    finally:
        optimizer.train()  # type: ignore[attr-defined]
        with torch.no_grad():
            for each, value in zip(moving, before, strict=True):
                each.copy_(value)


def adamw(spec: specs.AdamW, groups: Groups) -> Optimizer:
    """Return AdamW, fused into one kernel if the device of every parameter has it."""
    fused = all(
        each.is_floating_point() and each.device.type in ("cpu", "cuda")
        for each in _parameters(groups)
    )
    return torch.optim.AdamW(
        groups,
        betas=(spec.beta1, spec.beta2),
        weight_decay=spec.weight_decay,
        eps=spec.eps,
        fused=fused or None,
        foreach=None if fused else True,
    )


def adamw_8bit(spec: specs.AdamW8bit, groups: Groups) -> Optimizer:
    """Return AdamW with 8-bit state. On a CPU it would work as well, and slower than AdamW."""
    if any(each.device.type != "cuda" for each in _parameters(groups)):
        raise MissingPrerequisite(
            "optimizer adamw-8bit needs a CUDA device",
            hint="use adamw; `harness rehearse` does that for you",
        )
    return in_8_bits(spec, groups)


def in_8_bits(spec: specs.AdamW8bit, groups: Groups) -> Optimizer:
    """Return the optimizer of bitsandbytes, on whatever device the parameters are."""
    try:
        from bitsandbytes.optim import AdamW8bit as EightBit
    except ImportError as error:
        raise MissingPrerequisite(
            "optimizer adamw-8bit needs bitsandbytes",
            hint="pip install 'harness[cuda]', or use adamw",
        ) from error
    optimizer: Optimizer = EightBit(
        groups, betas=(spec.beta1, spec.beta2), weight_decay=spec.weight_decay, eps=spec.eps
    )
    return optimizer


def prodigy(spec: specs.Prodigy, groups: Groups) -> Optimizer:
    from prodigyopt import Prodigy

    with contextlib.redirect_stdout(io.StringIO()):  # it announces its decay with a bare print
        optimizer: Optimizer = Prodigy(
            groups,
            betas=(spec.beta1, spec.beta2),
            weight_decay=spec.weight_decay,
            d_coef=spec.d_coef,
            decouple=True,
            use_bias_correction=spec.bias_correction,
            safeguard_warmup=spec.safeguard_warmup,
        )
    return optimizer


def adafactor(spec: specs.Adafactor, groups: Groups) -> Optimizer:
    from transformers.optimization import Adafactor

    optimizer: Optimizer = Adafactor(
        groups,
        scale_parameter=False,
        relative_step=False,
        warmup_init=False,
        weight_decay=spec.weight_decay,
    )
    return optimizer


def schedule_free(spec: specs.ScheduleFree, groups: Groups) -> Optimizer:
    """Return schedule-free AdamW in training mode; `averaged` puts its averages in place."""
    from schedulefree import AdamWScheduleFree

    optimizer = AdamWScheduleFree(
        groups, betas=(spec.beta1, spec.beta2), weight_decay=spec.weight_decay, eps=spec.eps
    )
    optimizer.train()
    schedule_free: Optimizer = optimizer
    return schedule_free


def lion(spec: specs.Lion, groups: Groups) -> Optimizer:
    return Lion(groups, (spec.beta1, spec.beta2), spec.weight_decay)


def came(spec: specs.Came, groups: Groups) -> Optimizer:
    return Came(groups, (spec.beta1, spec.beta2, spec.beta3), spec.weight_decay)


def _parameters(groups: Groups) -> Iterator[Tensor]:
    for group in groups:
        group["params"] = list(group["params"])
        yield from group["params"]


class Lion(Optimizer):
    """Evolved sign momentum (Algorithm 2 of arXiv:2302.06675)."""

    def __init__(self, groups: Groups, betas: tuple[float, float], weight_decay: float) -> None:
        super().__init__(groups, {"lr": 1e-4, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            rate, (beta1, beta2) = group["lr"], group["betas"]
            moving = [each for each in group["params"] if each.grad is not None]
            if not moving:
                continue
            for each in moving:
                if not self.state[each]:
                    self.state[each]["momentum"] = torch.zeros_like(each)
            momenta = [self.state[each]["momentum"] for each in moving]
            gradients = [each.grad for each in moving]
            directions = torch._foreach_lerp(momenta, gradients, 1 - beta1)
            torch._foreach_sign_(directions)
            torch._foreach_mul_(moving, 1 - rate * group["weight_decay"])
            torch._foreach_add_(moving, directions, alpha=-rate)
            torch._foreach_lerp_(momenta, gradients, 1 - beta2)


class Came(Optimizer):
    """Adafactor's update, held back where it is unlike its own mean (arXiv:2307.02047).

    Tensors of two and more dimensions are factored over the last two, as in the paper's code;
    those of one dimension have a plain second moment and no confidence.
    """

    CLIP, TINY, SMALL = 1.0, 1e-30, 1e-16
    """The paper's d, ε₁ and ε₂."""

    def __init__(
        self, groups: Groups, betas: tuple[float, float, float], weight_decay: float
    ) -> None:
        super().__init__(groups, {"lr": 2e-4, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for each in group["params"]:
                if each.grad is not None:
                    move = self._direction(each, group["betas"])
                    each.mul_(1 - group["lr"] * group["weight_decay"])
                    each.add_(move.to(each.dtype), alpha=-group["lr"])

    def _direction(self, parameter: Tensor, betas: tuple[float, float, float]) -> Tensor:
        """Return the factor of the rate, in fp32 (Algorithm 2 of arXiv:2307.02047)."""
        gradient = parameter.grad.float()  # type: ignore[union-attr]
        state = self.state[parameter]
        if not state:
            state["mean"] = torch.zeros_like(gradient)
            state |= _accumulators(gradient, "square")
            if gradient.dim() > 1:
                state |= _accumulators(gradient, "doubt")
        update = gradient * _inverse_root(state, "square", gradient.square() + self.TINY, betas[1])
        update /= (update.square().mean().sqrt() / self.CLIP).clamp(min=1)
        mean: Tensor = state["mean"].lerp_(update, 1 - betas[0])
        if gradient.dim() < 2:
            return mean
        doubt = (update - mean).square() + self.SMALL
        return mean * _inverse_root(state, "doubt", doubt, betas[2])


def _accumulators(like: Tensor, name: str) -> dict[str, Tensor]:
    """Return the running means of one quantity: of rows and columns if it has both."""
    if like.dim() < 2:
        return {name: torch.zeros_like(like)}
    rows, columns = like.shape[:-1], (*like.shape[:-2], like.shape[-1])
    return {f"{name}_rows": like.new_zeros(rows), f"{name}_columns": like.new_zeros(columns)}


def _inverse_root(state: dict[str, Any], name: str, value: Tensor, beta: float) -> Tensor:
    """Add `value` to its running mean and return 1/√mean (arXiv:1804.04235)."""
    if value.dim() < 2:
        plain: Tensor = state[name].lerp_(value, 1 - beta)
        return plain.rsqrt()
    rows: Tensor = state[f"{name}_rows"].lerp_(value.mean(-1), 1 - beta)
    columns: Tensor = state[f"{name}_columns"].lerp_(value.mean(-2), 1 - beta)
    share = (rows / rows.mean(-1, keepdim=True)).rsqrt()
    return share.unsqueeze(-1) * columns.rsqrt().unsqueeze(-2)
