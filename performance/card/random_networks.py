"""Networks that see pictures, at their real sizes with random weights; tiny ones to rehearse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import open_clip
import torch
from random_inception import write_random_inception
from transformers import Dinov2Config, Dinov2Model

from card.figures import Context
from harness.extractors import clip as clips
from harness.extractors import dinov2 as dinos
from harness.extractors import inception as inceptions
from harness.extractors.specs import Dinov2, Inception, OpenClip
from harness.interfaces import Network
from harness.pocket import locate

CLIP = "ViT-L-14"
DINO = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 518,
    "patch_size": 14,
}
TINY_DINO = {**DINO, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


def inception(context: Context) -> tuple[Inception, Network]:
    """Return torch-fidelity's network, of which there is only one size."""
    file = context.folder / "inception.pt"
    spec = Inception(use="inception", weights=str(write_random_inception(file)))
    return spec, inceptions.inception(spec, context.device)


def clip(context: Context) -> tuple[OpenClip, Network]:
    """Return open_clip's ViT-L/14 with its own vocabulary."""
    name, tokenize = CLIP, None
    if context.is_dry:
        folder = Path(locate("pocket/clip"))
        name = clips.register_local(folder)
        tokenize = open_clip.SimpleTokenizer(
            bpe_path=str(folder / "bpe.txt.gz"), context_length=clips.context_length(folder)
        )
    with torch.device(context.device):
        model: Any = open_clip.create_model(name, None, precision="fp32", device=context.device)
    tokenize = tokenize or open_clip.get_tokenizer(name)
    return OpenClip(model=name), clips.network_of(model.eval(), tokenize, context.device)


def dinov2(context: Context) -> tuple[Dinov2, Network]:
    """Return transformers' DINOv2 of the large size."""
    with torch.device(context.device):
        model = Dinov2Model(Dinov2Config(**(TINY_DINO if context.is_dry else DINO)))
    return Dinov2(use="dinov2"), dinos.network_of(model, context.device)
