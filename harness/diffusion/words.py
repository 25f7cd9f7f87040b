"""Captions to the two things SDXL reads: a sequence of embeddings and one pooled vector."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from harness.diffusion.load import TextEncoders


def embed(texts: Sequence[str], encoders: TextEncoders) -> tuple[Tensor, Tensor]:
    """Return B × 77 × D sequence embeddings and B × P pooled ones.

    The last layer but one of each encoder, side by side; pooled is the second's projection.
    """
    sequences, pooled = [], torch.empty(0)
    for model, tokenizer in zip(
        (encoders.first, encoders.second), encoders.tokenizers, strict=True
    ):
        ids = tokenizer(
            list(texts), padding="max_length", max_length=tokenizer.model_max_length,
            truncation=True, return_tensors="pt",
        ).input_ids  # fmt: skip
        output = model(ids.to(model.device), output_hidden_states=True)
        sequences.append(output.hidden_states[-2])
        pooled = output[0]
    return torch.cat(sequences, dim=-1), pooled
