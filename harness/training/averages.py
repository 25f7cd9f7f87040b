"""A running mean (EMA) of the trained weights, and a way to put it in their place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor


class Averages:
    """The mean of every tensor over the steps so far; the last steps weigh most."""

    def __init__(self, tensors: Mapping[str, Tensor], decay: float) -> None:
        self.means = {name: value.detach().float().clone() for name, value in tensors.items()}
        self._decay = decay

    @torch.no_grad()
    def add(self, tensors: Mapping[str, Tensor], step: int) -> None:
        """Add the weights after `step` (from 0); the first ones count more than by `decay`."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for name, value in tensors.items():
            self.means[name].lerp_(value.detach().float(), 1 - decay)

    @torch.no_grad()
    def restore(self, means: Mapping[str, Tensor]) -> None:
        for name, value in means.items():
            self.means[name].copy_(value)

    @contextmanager
    def in_place(self, tensors: Mapping[str, Tensor]) -> Iterator[None]:
        """Put the means in place of the weights during the block."""
        kept = {name: value.detach().clone() for name, value in tensors.items()}
        with torch.no_grad():
            for name, value in tensors.items():
                value.copy_(self.means[name])
        yield
        with torch.no_grad():
            for name, value in tensors.items():
                value.copy_(kept[name])
