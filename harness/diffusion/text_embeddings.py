"""From text to what SDXL reads: a sequence of embeddings and one pooled vector.

Captions are embedded as they are, prompts also with the weights of prompt_weights.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from harness.data.prompt_weights import parse
from harness.diffusion.load import TextEncoders
from harness.diffusion.tokens import spell_out

WINDOW = 75
"""Tokens of a text in one window, without the start and the end token."""
BACKTRACK = 20
"""A full window is cut after a comma among its last tokens, this many; A1111 does the same."""
Window = list[tuple[int, float]]
"""The tokens of one window, with their weights."""


def embed(texts: Sequence[str], encoders: TextEncoders, chunks: int = 1) -> tuple[Tensor, Tensor]:
    """Return B × 77·chunks × D sequence embeddings and B × P pooled ones.

    The last layer but one of both encoders, concatenated; pooled is the projection of the second
    encoder for the first window.
    """
    texts = [spell_out(text, encoders.tokens) for text in texts]
    sequences, pooled = [], torch.empty(0)
    for model, tokenizer in zip(
        (encoders.first, encoders.second), encoders.tokenizers, strict=True
    ):
        states, summary = _hidden_states(model, tokens(texts, tokenizer, chunks))
        sequences.append(states.reshape(len(texts), -1, states.shape[-1]))
        pooled = summary.reshape(len(texts), chunks, -1)[:, 0]
    return torch.cat(sequences, dim=-1), pooled


def tokens(texts: Sequence[str], tokenizer: Any, chunks: int) -> Tensor:
    """Return B·chunks × 77 token ids; tokens that do not fit are cut off."""
    if chunks == 1:
        ids: Tensor = tokenizer(
            list(texts),
            padding="max_length",
            max_length=tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        ).input_ids
        return ids
    rows = []
    for text in texts:
        plain = _ids(text, tokenizer)
        for at in range(0, chunks * WINDOW, WINDOW):
            rows.append(_with_ends(plain[at : at + WINDOW], tokenizer))
    return torch.tensor(rows)


def embed_weighted(text: str, encoders: TextEncoders, count: int) -> tuple[Tensor, Tensor]:
    """Return 1 × 77·count × D and 1 × P embeddings of a prompt with weights.

    A weight scales the hidden state of its token; each window is then scaled back to its old mean,
    as in A1111's "original" emphasis. Windows that the text does not fill hold an empty text.
    """
    sequences, pooled = [], torch.empty(0)
    for model, tokenizer in zip(
        (encoders.first, encoders.second), encoders.tokenizers, strict=True
    ):
        cut = windows(spell_out(text, encoders.tokens), tokenizer)
        cut += [[] for _ in range(count - len(cut))]
        rows = [_with_ends([token for token, _ in window], tokenizer) for window in cut]
        states, summary = _hidden_states(model, torch.tensor(rows))
        sequences.append(_apply_weights(states, cut).flatten(0, 1)[None])
        pooled = summary[:1]
    return torch.cat(sequences, dim=-1), pooled


def count_windows(text: str, encoders: TextEncoders) -> int:
    """Return how many windows a prompt with weights fills."""
    text = spell_out(text, encoders.tokens)
    return max(len(windows(text, tokenizer)) for tokenizer in encoders.tokenizers)


def windows(text: str, tokenizer: Any) -> list[Window]:
    """Return the weighted tokens of a prompt, window by window; at least one window."""
    filled: list[Window] = []
    comma = _ids(",", tokenizer)[-1]
    for stretch in parse(text):
        left = [(token, piece.weight) for piece in stretch for token in _ids(piece.text, tokenizer)]
        while len(left) > WINDOW:
            end = _end([token for token, _ in left], comma)
            filled.append(left[:end])
            left = left[end:]
        filled.append(left)
    return filled if filled[-1] or len(filled) == 1 else filled[:-1]


def _end(ids: Sequence[int], comma: int) -> int:
    """Return where the first window ends: after a late comma, else when it is full."""
    if ids[WINDOW] == comma:
        return WINDOW
    commas = [at for at in range(WINDOW - BACKTRACK, WINDOW) if ids[at] == comma]
    return commas[-1] + 1 if commas else WINDOW


def _ids(text: str, tokenizer: Any) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False, truncation=False).input_ids
    return ids


def _with_ends(ids: Sequence[int], tokenizer: Any) -> list[int]:
    row = [tokenizer.bos_token_id, *ids, tokenizer.eos_token_id]
    return row + [tokenizer.pad_token_id] * (WINDOW + 2 - len(row))


def _hidden_states(model: Any, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Return B × 77 × D states and B × P pooled ones."""
    output = model(ids.to(model.device), output_hidden_states=True)
    return output.hidden_states[-2], output[0]


def _apply_weights(states: Tensor, cut: Sequence[Window]) -> Tensor:
    weights = torch.ones(states.shape[:2])
    for row, window in enumerate(cut):
        weights[row, 1 : len(window) + 1] = torch.tensor([weight for _, weight in window])
    if bool((weights == 1).all()):
        return states
    before = states.float()
    after = before * weights[..., None].to(states.device)
    share = before.mean((1, 2), keepdim=True) / after.mean((1, 2), keepdim=True)
    return (after * share).to(states.dtype)
