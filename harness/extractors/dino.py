"""The class token of a ViT, as DreamBooth's DINO-I has it (arXiv:2208.12242).

Pictures are prepared here: the processor that lies beside the weights squashes them to 224
pixels, which gives other numbers than the paper's.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from torchvision.transforms import v2
from transformers import ViTModel

from harness.extractors import onednn
from harness.extractors.batches import bytes_of, planes, split
from harness.extractors.hub import revision_of
from harness.extractors.specs import Dino
from harness.extractors.weights import UNLOADABLE, absent, load_whole
from harness.interfaces import Network
from harness.pocket import locate

_CUT = v2.Compose([v2.Resize(256, interpolation=v2.InterpolationMode.BICUBIC), v2.CenterCrop(224)])
_UNITS = v2.Compose(
    [
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ]
)


def class_token(spec: Dino, device: str) -> Network:
    """See the class token after the last layer's norm."""
    try:
        model = load_whole(
            ViTModel,
            locate(spec.model),
            revision=revision_of(spec.model, spec.revision),
            add_pooling_layer=False,
            dtype=torch.float32,
            trust_remote_code=False,
        )
    except UNLOADABLE as error:
        raise absent("the ViT", spec.model, error) from error
    model.to(device).eval()
    if spec.engine() and onednn.serves(device):
        onednn.quicken(model)

    def run(levels: Tensor) -> Tensor:
        return cast(Tensor, model(_UNITS(planes(levels))).last_hidden_state[:, 0])

    return split(lambda picture: bytes_of(_CUT(picture.convert("RGB"))), run, device)
