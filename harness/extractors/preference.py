"""What people preferred: networks trained on choices between images of one prompt.

HPSv2 needs nothing of its own: it is ViT-H-14 of open_clip with weights from xswu/HPSv2, and
whole images, padded. ImageReward is not among our words: its package pins timm 0.6.13, which
open_clip cannot load.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import AutoProcessor, CLIPModel

from harness.extractors.clip import unit
from harness.extractors.hub import revision_of
from harness.extractors.specs import PickScore
from harness.extractors.weights import UNLOADABLE, absent, load_whole
from harness.interfaces import Network, Rows
from harness.pocket import locate


def pick_score(spec: PickScore, device: str) -> Network:
    """See and read unit vectors; `scale` is what their cosine is multiplied with."""
    model, processor = _clip(spec)
    model.to(device).eval()
    room = model.config.text_config.max_position_embeddings
    scale = float(model.logit_scale.exp())

    def see(pictures: Sequence[Image.Image], texts: Sequence[str]) -> Rows:
        shown = processor(images=list(pictures), return_tensors="pt").pixel_values.to(device)
        return {"images": unit(model.get_image_features(pixel_values=shown).pooler_output)}

    def read(texts: Sequence[str]) -> Rows:
        words = processor.tokenizer(
            list(texts), padding=True, truncation=True, max_length=room, return_tensors="pt"
        ).to(device)
        lengths = [len(processor.tokenizer(text, verbose=False).input_ids) for text in texts]
        return {
            "texts": unit(model.get_text_features(**words).pooler_output),
            "cut": np.array([[length > room] for length in lengths], np.float32),
            "scale": np.full((len(texts), 1), scale, np.float32),
        }

    return Network(see, read)


def _clip(spec: PickScore) -> tuple[Any, Any]:
    """Return a CLIP model in fp32 and what turns pictures and texts into its input."""
    at = revision_of(spec.processor, spec.processor_revision)
    model = load_model(spec.model, spec.revision)
    try:
        return model, AutoProcessor.from_pretrained(
            spec.processor, trust_remote_code=False, revision=at
        )
    except UNLOADABLE as error:
        raise absent("the processor", spec.processor, error) from error


def load_model(name: str, revision: str | None = None) -> Any:
    """Return a CLIP model in fp32."""
    try:
        return load_whole(
            CLIPModel, locate(name), dtype=torch.float32, revision=revision_of(name, revision)
        )
    except UNLOADABLE as error:
        raise absent("PickScore", name, error) from error
