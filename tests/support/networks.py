"""Real networks to count by: the pocket's on the CPU, SDXL's own shapes without weights."""

from __future__ import annotations

from typing import Any

import torch
from card.sdxl import UNET
from diffusers import UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from harness.diffusion.load import load_unet
from harness.diffusion.shapes import TextEncoderShape
from harness.pages.recipe import Base


def pocket_unet() -> UNet2DConditionModel:
    return load_unet(Base(model="pocket/sdxl"), "cpu", torch.float32)


def sdxl_unet(**changes: Any) -> UNet2DConditionModel:
    """Return SDXL's UNet on the meta device, where tensors have shapes and nothing else."""
    with torch.device("meta"):
        return UNet2DConditionModel(**(UNET | changes))


def text_encoder(shape: TextEncoderShape) -> CLIPTextModel | CLIPTextModelWithProjection:
    """Return a text encoder of this shape on the meta device."""
    config = CLIPTextConfig(
        hidden_size=shape.width,
        num_hidden_layers=shape.depth,
        intermediate_size=shape.inner,
        vocab_size=shape.vocabulary,
        num_attention_heads=shape.heads,
        projection_dim=shape.projection or 512,
    )
    kind = CLIPTextModelWithProjection if shape.projection else CLIPTextModel
    with torch.device("meta"):
        return kind(config)
