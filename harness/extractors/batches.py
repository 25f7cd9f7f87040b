"""Networks in parts: pictures become small tensors in threads, batches of them go to the device.

What a network does with a picture before it computes is most of the time on a fast GPU. So a
picture is only cut and resized in a thread; numbers are made of its bytes on the device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from harness.halving import Halving
from harness.interfaces import Network, Read, Rows, SplitNetwork


@dataclass(frozen=True)
class Stack:
    """Inputs of one shape on the device, and where they stand in their batch."""

    positions: Sequence[int]
    inputs: Tensor


def split(
    prepare: Callable[[Image.Image], Tensor],
    run: Callable[[Tensor], Tensor],
    device: str,
    read: Read | None = None,
) -> Network:
    """Return a network whose images are seen by `run`, given a batch of what `prepare` makes."""
    halving = Halving("pictures seen")

    def compute(stacks: Sequence[Stack]) -> Rows:
        positions = [at for stack in stacks for at in stack.positions]
        parts = [part for stack in stacks for part in halving.run(run, stack.inputs)]
        rows = np.concatenate([part.float().cpu().numpy() for part in parts])
        return {"images": rows[np.argsort(positions)]}

    return from_parts(SplitNetwork(prepare, lambda inputs: stacked(inputs, device), compute), read)


def from_parts(parts: SplitNetwork, read: Read | None = None) -> Network:
    """Return the network of these parts, which sees pictures too."""

    def see(pictures: Sequence[Image.Image], texts: Sequence[str]) -> Rows:
        return parts.see(pictures)

    return Network(see, read, parts)


def stacked(inputs: Sequence[Tensor], device: str) -> list[Stack]:
    """Return the inputs on the device, those of one shape together."""
    shapes: dict[torch.Size, list[int]] = {}
    for at, each in enumerate(inputs):
        shapes.setdefault(each.shape, []).append(at)
    return [
        Stack(positions, _moved([inputs[at] for at in positions], device))
        for positions in shapes.values()
    ]


def _moved(inputs: Sequence[Tensor], device: str) -> Tensor:
    """Return a stack of tensors on the device; to CUDA it travels while the CPU goes on."""
    if not device.startswith("cuda"):
        return torch.stack(list(inputs)).to(device)
    shape = (len(inputs), *inputs[0].shape)
    pinned = torch.empty(shape, dtype=inputs[0].dtype, pin_memory=True)
    return torch.stack(list(inputs), out=pinned).to(device, non_blocking=True)


def bytes_of(picture: Image.Image) -> Tensor:
    """Return H × W × 3 levels of 255."""
    return torch.from_numpy(np.array(picture))


def planes(levels: Tensor) -> Tensor:
    """Return N × 3 × H × W of N × H × W × 3."""
    return levels.permute(0, 3, 1, 2).contiguous()
