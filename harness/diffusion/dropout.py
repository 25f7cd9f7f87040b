"""Dropout whose mask depends on the sample, not on the order of the calls."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SampleDropout(nn.Module):
    """Dropout whose mask is a hash of (sample, layer, element): equal in any pass.

    `salts` holds one number for each sample of the current pass; all layers share it.
    """

    def __init__(self, share: float, layer: int, salts: list[Tensor]) -> None:
        super().__init__()
        self.share, self.layer, self._salts = share, layer, salts

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.share:
            return x
        salts = self._salts[0].repeat_interleave(x.shape[0] // len(self._salts[0]))
        elements = torch.arange(x[0].numel(), dtype=torch.int32, device=x.device)
        salted = _mix(salts + self.layer * 0x5BD1E995 % 2**31).view(-1, 1)
        hashed = _mix(elements[None] ^ salted) & 0x7FFFFFFF
        kept = (hashed >= int(self.share * 2**31)).view(x.shape)
        return x * kept / (1 - self.share)


def _mix(x: Tensor) -> Tensor:
    """Return 32 well-mixed bits for each number (the `lowbias32` hash; overflow wraps)."""
    x = (x ^ ((x >> 16) & 0xFFFF)) * 0x7FEB352D
    x = (x ^ ((x >> 15) & 0x1FFFF)) * -2073319061  # 0x846ca68b as a signed number
    return x ^ ((x >> 16) & 0xFFFF)
