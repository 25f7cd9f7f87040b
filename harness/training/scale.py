"""Loss scaling for fp16: small gradients do not vanish, and large ones halve the scale.

A step that overflows is done again at half the scale, with the same random numbers; so it costs
time, but no step of the recipe.
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
    """The factor of the loss; always 1 for a format that needs none."""

    moves: bool = False
    value: float = 1.0
    good: int = 0
    overflows: int = 0

    def halve(self) -> bool:
        """Halve the scale; return whether the step may be tried again."""
        if not self.moves or self.value <= LEAST:
            return False
        self.value, self.good, self.overflows = self.value / 2, 0, self.overflows + 1
        return True

    def note_good_step(self) -> None:
        """Count a good step; after many, double the scale."""
        self.good += 1
        if self.moves and self.good >= PATIENCE:
            self.value, self.good = self.value * 2, 0


def scale_for(dtype: torch.dtype) -> Scale:
    return Scale(moves=True, value=FIRST) if dtype == torch.float16 else Scale()
