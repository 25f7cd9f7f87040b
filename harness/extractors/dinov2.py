"""DINOv2 in the transformers format: the class token, as FD-DINOv2 reads it (arXiv:2306.04675)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import Dinov2Model

from harness.extractors.specs import Dinov2
from harness.extractors.weights import absent
from harness.interfaces import Network, Rows
from harness.pocket import locate

SIDE = 224
MEAN = (0.485, 0.456, 0.406)
SPREAD = (0.229, 0.224, 0.225)


def class_token(spec: Dinov2, device: str) -> Network:
    """See the class token after the last norm, one row a picture."""
    model = _model(spec.model).to(device).eval()

    def see(pictures: Sequence[Image.Image], texts: Sequence[str]) -> Rows:
        batch = torch.cat([look(picture) for picture in pictures]).to(device)
        return {"images": model(batch).last_hidden_state[:, 0].float().cpu().numpy()}

    return Network(see)


def look(picture: Image.Image) -> Tensor:
    """Return 1 × 3 × 224 × 224 in ImageNet units: squeezed to a square by PIL's bicubic, whose
    rounding to bytes is part of the paper's code."""
    small = picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    units = torch.from_numpy(np.asarray(small).copy()).permute(2, 0, 1)[None].float() / 255
    mean, spread = (torch.tensor(each)[:, None, None] for each in (MEAN, SPREAD))
    return (units - mean) / spread


def _model(name: str) -> Any:
    try:
        return Dinov2Model.from_pretrained(locate(name), dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise absent("the DINOv2 model", name, error) from error
