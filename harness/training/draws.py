"""The random numbers of training, by counter: every sample of every step has its own.

A draw depends on (seed, step, sample, purpose) and on nothing else: not on earlier draws, on how
samples are put into passes, on the number of processes, or on a kill in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import torch
from torch import Tensor

from harness.fingerprint import number_of


class Purpose(IntEnum):
    """What a stream of numbers is for; each purpose has its own stream."""

    CHOICES = 0
    POSTERIOR = 1
    NOISE = 2
    OFFSET = 3
    PERTURBATION = 4
    DROPOUT = 5


@dataclass(frozen=True)
class SampleRandom:
    """The random numbers of one sample of one step; a class image has another `side`."""

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
        """Return the number that gives this sample its own dropout mask."""
        return int(self._stream(Purpose.DROPOUT).integers(2**31))


def random_key(seed: int) -> int:
    """Return the key of every stream of a run."""
    return number_of(seed, "dice")
