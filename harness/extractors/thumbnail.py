"""The picture itself as features: small, and without its mean."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from harness.extractors.batches import split
from harness.extractors.specs import Thumbnail
from harness.interfaces import Network


def thumbnail(spec: Thumbnail, device: str) -> Network:
    """See side × side × 3 colours, less their mean, so that brightness alone is no likeness."""

    def prepare(picture: Image.Image) -> Tensor:
        return torch.from_numpy(_small(picture, spec.side))

    return split(prepare, lambda rows: rows, "cpu")


def _small(picture: Image.Image, side: int) -> NDArray[np.float32]:
    small = picture.convert("RGB").resize((side, side), Image.Resampling.BOX)
    colours = np.asarray(small, np.float32).reshape(-1) / 255
    return np.asarray(colours - colours.mean(), np.float32)
