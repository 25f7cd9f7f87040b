"""Captions to the two things SDXL reads: a sequence of embeddings and one pooled vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from harness.diffusion.load import TextEncoders
from harness.diffusion.tokens import spelled

WINDOW = 75
"""Tokens of a text in one window; a first and a last one frame them."""


def embed(texts: Sequence[str], encoders: TextEncoders, chunks: int = 1) -> tuple[Tensor, Tensor]:
    """Return B × 77·chunks × D sequence embeddings and B × P pooled ones.

    The last layer but one of each encoder, side by side; pooled is the second's projection,
    of the first window.
    """
    texts = [spelled(text, encoders.tokens) for text in texts]
    sequences, pooled = [], torch.empty(0)
    for model, tokenizer in zip(
        (encoders.first, encoders.second), encoders.tokenizers, strict=True
    ):
        ids = tokens(texts, tokenizer, chunks).to(model.device)
        output = model(ids, output_hidden_states=True)
        states = output.hidden_states[-2]
        sequences.append(states.reshape(len(texts), -1, states.shape[-1]))
        pooled = output[0].reshape(len(texts), chunks, -1)[:, 0]
    return torch.cat(sequences, dim=-1), pooled


def tokens(texts: Sequence[str], tokenizer: Any, chunks: int) -> Tensor:
    """Return B·chunks × 77 token ids; what does not fit is cut off."""
    if chunks == 1:
        ids: Tensor = tokenizer(
            list(texts), padding="max_length", max_length=tokenizer.model_max_length,
            truncation=True, return_tensors="pt",
        ).input_ids  # fmt: skip
        return ids
    rows = []
    for text in texts:
        plain = tokenizer(text, add_special_tokens=False, truncation=False).input_ids
        for at in range(0, chunks * WINDOW, WINDOW):
            piece = [tokenizer.bos_token_id, *plain[at : at + WINDOW], tokenizer.eos_token_id]
            rows.append(piece + [tokenizer.pad_token_id] * (WINDOW + 2 - len(piece)))
    return torch.tensor(rows)
