"""CCIP: which anime character a picture shows, by the ONNX files of deepghs/ccip_onnx.

It knows single characters. Drawings of one character come out nearly alike, so good adapters of
it have nearly equal values; two people in a picture are to it a third one.
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from harness.extractors.batches import split
from harness.extractors.onnx import fetched, opened, runner
from harness.extractors.specs import Ccip
from harness.interfaces import Network

SIDE = 384
"""Pixels a side, whatever the picture's shape."""
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
DEVIATION = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
"""CLIP's units, in which its authors feed it."""


def embeddings(spec: Ccip, device: str) -> Network:
    """See N × 768: the embedding that CCIP compares characters by."""
    name = f"{spec.variant}/model_feat.onnx"
    file = fetched("CCIP", spec.model, spec.revision, name, name)
    return split(look, runner(opened("CCIP", file, spec.model, device)), "cpu")


def look(picture: Image.Image) -> Tensor:
    """Return 3 × 384 × 384 of a picture: squashed to a square, in CLIP's units."""
    square = picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    levels = (np.asarray(square, np.float32) / 255 - MEAN) / DEVIATION
    return torch.from_numpy(np.ascontiguousarray(levels.transpose(2, 0, 1)))
