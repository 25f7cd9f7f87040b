"""Loss scaling for fp16: keep small gradients from vanishing, and step back when large ones burst.

A step that overflows is done again at half the scale, with the same numbers, so that it costs
time and none of the recipe's steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

FIRST = 2.0**16
LEAST = 2.0**-6
PATIENCE = 2000
"""Good steps before the scale is doubled."""


@dataclass
class Scale:
    """What the loss is multiplied by; 1 for ever where the format needs none."""

    moves: bool = False
    value: float = 1.0
    good: int = 0
    overflows: int = 0

    def burst(self) -> bool:
        """Halve the scale; return whether the step may be tried again."""
        if not self.moves or self.value <= LEAST:
            return False
        self.value, self.good, self.overflows = self.value / 2, 0, self.overflows + 1
        return True

    def held(self) -> None:
        """Note a good step; double the scale after many."""
        self.good += 1
        if self.moves and self.good >= PATIENCE:
            self.value, self.good = self.value * 2, 0


def scale_for(dtype: torch.dtype) -> Scale:
    return Scale(moves=True, value=FIRST) if dtype == torch.float16 else Scale()
