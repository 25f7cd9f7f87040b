"""Randomness of training, by counter: every sample of every step has numbers of its own.

A draw depends on (seed, step, sample, purpose) and on nothing else: not on what was drawn
before, how samples are put into passes, how many processes share them, or a kill in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import torch
from torch import Tensor, nn

from harness.fingerprint import number_of


class Purpose(IntEnum):
    """What a stream of numbers is for; each has its own, so that none shifts another."""

    CHOICES = 0
    POSTERIOR = 1
    NOISE = 2
    OFFSET = 3
    PERTURBATION = 4
    DROPOUT = 5


@dataclass(frozen=True)
class Dice:
    """The random numbers of one sample of one step; class images have a side of their own."""

    seed: int
    step: int
    sample: int
    side: int = 0

    def _stream(self, purpose: Purpose) -> np.random.Generator:
        counter = [0, purpose, self.sample * 2 + self.side, self.step]
        return np.random.Generator(np.random.Philox(key=self.seed, counter=counter))

    def uniform(self, count: int) -> list[float]:
        """Return numbers in [0, 1) for the choices a sample has."""
        chosen: list[float] = self._stream(Purpose.CHOICES).random(count).tolist()
        return chosen

    def normal(self, purpose: Purpose, shape: tuple[int, ...]) -> Tensor:
        return torch.from_numpy(self._stream(purpose).standard_normal(shape, np.float32))

    def salt(self) -> int:
        """Return what tells this sample's dropout from every other's."""
        return int(self._stream(Purpose.DROPOUT).integers(2**31))


def dice_seed(seed: int) -> int:
    """Return the key of every stream of a run."""
    return number_of(seed, "dice")


class SampleDropout(nn.Module):
    """Dropout whose mask is a hash of (sample, layer, place): equal in any pass, and on replay.

    `salts` holds one number a sample of the pass at hand, and is shared by all layers.
    """

    def __init__(self, share: float, layer: int, salts: list[Tensor]) -> None:
        super().__init__()
        self.share, self.layer, self._salts = share, layer, salts

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.share:
            return x
        salts = self._salts[0].repeat_interleave(x.shape[0] // len(self._salts[0]))
        places = torch.arange(x[0].numel(), dtype=torch.int32, device=x.device)
        salted = _scrambled(salts + self.layer * 0x5BD1E995 % 2**31).view(-1, 1)
        hashed = _scrambled(places[None] ^ salted) & 0x7FFFFFFF
        kept = (hashed >= int(self.share * 2**31)).view(x.shape)
        return x * kept / (1 - self.share)


def _scrambled(x: Tensor) -> Tensor:
    """Return 32 well-mixed bits for each number (the `lowbias32` hash; overflow wraps)."""
    x = (x ^ ((x >> 16) & 0xFFFF)) * 0x7FEB352D
    x = (x ^ ((x >> 15) & 0x1FFFF)) * -2073319061  # 0x846ca68b as a signed number
    return x ^ ((x >> 16) & 0xFFFF)
