"""DINOv2 in the transformers format: the class token, as FD-DINOv2 reads it (arXiv:2306.04675)."""

from __future__ import annotations

from typing import Any, cast

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Dinov2Model

from harness.extractors import onednn
from harness.extractors.batches import bytes_of, planes, split
from harness.extractors.hub import revision_of
from harness.extractors.specs import Dinov2
from harness.extractors.weights import UNLOADABLE, absent, load_whole
from harness.interfaces import Network
from harness.pocket import locate

SIDE = 224
MEAN = (0.485, 0.456, 0.406)
SPREAD = (0.229, 0.224, 0.225)
_OFFSET = 0.1
"""What torch.hub's model adds to the cells of a grid."""


def class_token(spec: Dinov2, device: str) -> Network:
    """See the class token after the last norm, one row a picture."""
    model = _model(spec.model, spec.revision)
    if spec.engine() and onednn.serves(device):
        onednn.quicken(model)
    return network_of(model, device)


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


def _model(name: str, revision: str | None) -> Any:
    try:
        model = load_whole(
            Dinov2Model, locate(name), dtype=torch.float32, revision=revision_of(name, revision)
        )
    except UNLOADABLE as error:
        raise absent("the DINOv2 model", name, error) from error
    embeddings = model.embeddings
    cells = SIDE // embeddings.patch_size
    positions = positions_of(embeddings.position_embeddings.data, cells)
    embeddings.position_embeddings = nn.Parameter(positions)
    return model


def positions_of(learned: Tensor, cells: int) -> Tensor:
    """Return the learned positions on a grid of cells × cells, behind that of the class token.

    As the model of torch.hub does, which the paper's code reads: the step from cell to cell is
    37 / 16.1 where 37 × 37 were learned and 16 × 16 are wanted. transformers steps by 37 / 16, and
    its features are not those of published figures.
    """
    token, places = learned[:, :1], learned[:, 1:]
    side = round(places.shape[1] ** 0.5)
    if side == cells:
        return learned
    grid = places.reshape(1, side, side, -1).permute(0, 3, 1, 2)
    scale = (cells + _OFFSET) / side
    grid = F.interpolate(grid, scale_factor=(scale, scale), mode="bicubic")
    return torch.cat((token, grid.permute(0, 2, 3, 1).flatten(1, 2)), 1)
