"""A running mean of the weights that move (EMA), and a way to look at it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor


class Averages:
    """The mean of every tensor over the steps so far, the last ones weighing most."""

    def __init__(self, tensors: Mapping[str, Tensor], decay: float) -> None:
        self.means = {name: value.detach().float().clone() for name, value in tensors.items()}
        self._decay = decay

    @torch.no_grad()
    def add(self, tensors: Mapping[str, Tensor], step: int) -> None:
        """Take in the weights after `step` (from 0); the first steps count more than decay says."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for name, value in tensors.items():
            self.means[name].lerp_(value.detach().float(), 1 - decay)

    @torch.no_grad()
    def restore(self, means: Mapping[str, Tensor]) -> None:
        for name, value in means.items():
            self.means[name].copy_(value)

    @contextmanager
    def in_place(self, tensors: Mapping[str, Tensor]) -> Iterator[None]:
        """Let the means stand where the weights stand while the block runs."""
        kept = {name: value.detach().clone() for name, value in tensors.items()}
        with torch.no_grad():
            for name, value in tensors.items():
                value.copy_(self.means[name])
        yield
        with torch.no_grad():
            for name, value in tensors.items():
                value.copy_(kept[name])
