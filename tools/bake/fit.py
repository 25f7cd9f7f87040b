"""A small resumable training loop for the pocket networks.

Step k draws its batch from (seed, name, k) alone, and the state on disk is written whole or
not at all, so a bake that was killed goes on as if it had not been.
"""

from __future__ import annotations

import logging
import math
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from harness.training.checkpoint import read_state, write_state

log = logging.getLogger("harness.bake")


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train; the rate warms up, then falls along a cosine."""

    steps: int
    rate: float
    warmup: int = 100
    ema: float = 0.0

    def rate_at(self, step: int) -> float:
        if step < self.warmup:
            return self.rate * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))


def fit(
    name: str,
    modules: Mapping[str, nn.Module],
    loss_of: Callable[[int, np.random.Generator], Tensor],
    schedule: Schedule,
    work: Path,
    seed: int,
) -> None:
    """Train `modules` in place, resuming from `work`; ends with the averaged weights if any."""
    parameters = [p for each in modules.values() for p in each.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=schedule.rate, weight_decay=0.01)
    average = [p.detach().clone() for p in parameters] if schedule.ema else []
    state_file, start = work / f"{name}.safetensors", 0
    if state_file.exists():
        tensors, facts = read_state(state_file, optimizer)
        _restore(tensors, modules, average)
        start = facts["step"]
        log.info("%s goes on at step %d", name, start)
    stream = zlib.crc32(name.encode())
    began, saved, shown = time.monotonic(), time.monotonic(), 0.0
    for module in modules.values():
        module.train()
    for step in range(start, schedule.steps):
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate_at(step)
        torch.manual_seed(seed * 1_000_003 + step)
        loss = loss_of(step, np.random.default_rng([seed, stream, step]))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        for kept, parameter in zip(average, parameters, strict=bool(average)):
            kept.lerp_(parameter.detach(), 1 - min(schedule.ema, (step + 1) / (step + 10)))
        shown = loss.item() if step == start else 0.98 * shown + 0.02 * loss.item()
        if (step + 1) % 50 == 0 or step + 1 == schedule.steps:
            pace = (time.monotonic() - began) / (step + 1 - start)
            left = pace * (schedule.steps - step - 1) / 60
            log.info(
                "%s %d/%d loss %.5f, %.1f min left", name, step + 1, schedule.steps, shown, left
            )
        if time.monotonic() - saved > 90 or step + 1 == schedule.steps:
            write_state(state_file, _state(modules, average), optimizer, {"step": step + 1})
            saved = time.monotonic()
    for parameter, kept in zip(parameters if average else [], average, strict=True):
        parameter.data.copy_(kept)
    for module in modules.values():
        module.eval()


def _state(modules: Mapping[str, nn.Module], average: list[Tensor]) -> dict[str, Tensor]:
    tensors = {
        f"{prefix}.{name}": value.clone()
        for prefix, module in modules.items()
        for name, value in module.state_dict().items()
    }
    return tensors | {f"average.{index}": kept for index, kept in enumerate(average)}


def _restore(
    tensors: Mapping[str, Tensor], modules: Mapping[str, nn.Module], average: list[Tensor]
) -> None:
    for prefix, module in modules.items():
        module.load_state_dict({name: tensors[f"{prefix}.{name}"] for name in module.state_dict()})
    for index, kept in enumerate(average):
        kept.copy_(tensors[f"average.{index}"])
