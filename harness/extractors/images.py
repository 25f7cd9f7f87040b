"""Run a network over pictures in batches of one fixed size."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice

import torch
from PIL import Image
from torch import Tensor

from harness.interfaces import Progress, Workplace


@torch.no_grad()
def in_batches(
    images: Iterable[Image.Image],
    total: int,
    place: Workplace,
    run: Callable[[list[Image.Image]], Tensor],
) -> Tensor:
    """Return the rows that `run` gives for all images, on the CPU in fp32."""
    rows, stream, done = [], iter(images), 0
    while batch := list(islice(stream, place.batch)):
        rows.append(run(batch).float().cpu())
        done += len(batch)
        place.report(Progress(done, total, "images"))
    return torch.cat(rows)
