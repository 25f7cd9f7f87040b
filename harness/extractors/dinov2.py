"""DINOv2 in the transformers format: the class token, as FD-DINOv2 reads it (arXiv:2306.04675)."""

from __future__ import annotations

from typing import Any, cast

import torch
from PIL import Image
from torch import Tensor
from transformers import Dinov2Model

from harness.extractors.batches import bytes_of, planes, split
from harness.extractors.specs import Dinov2
from harness.extractors.weights import UNLOADABLE, absent, load_whole
from harness.interfaces import Network
from harness.pocket import locate

SIDE = 224
MEAN = (0.485, 0.456, 0.406)
SPREAD = (0.229, 0.224, 0.225)


def class_token(spec: Dinov2, device: str) -> Network:
    """See the class token after the last norm, one row a picture."""
    return network_of(_model(spec.model), device)


def network_of(model: Any, device: str) -> Network:
    """Return the same of a loaded model."""
    model.to(device).eval()

    def run(levels: Tensor) -> Tensor:
        return cast(Tensor, model(units(levels)).last_hidden_state[:, 0])

    return split(small, run, device)


def small(picture: Image.Image) -> Tensor:
    """Return 224 × 224 × 3 levels: squeezed to a square by PIL's bicubic, whose rounding to bytes
    is part of the paper's code."""
    return bytes_of(picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def units(levels: Tensor) -> Tensor:
    """Return N × 3 × 224 × 224 in ImageNet units, of N × 224 × 224 × 3 levels."""
    mean, spread = (
        torch.tensor(each, device=levels.device)[:, None, None] for each in (MEAN, SPREAD)
    )
    return (planes(levels).float() / 255 - mean) / spread


def look(picture: Image.Image) -> Tensor:
    """Return 1 × 3 × 224 × 224 in ImageNet units."""
    return units(small(picture)[None])


def _model(name: str) -> Any:
    try:
        model = load_whole(Dinov2Model, locate(name), dtype=torch.float32)
    except UNLOADABLE as error:
        raise absent("the DINOv2 model", name, error) from error
    return model
