"""Words to the two things SDXL reads: a sequence of embeddings and one pooled vector.

Captions are read as they are, prompts also with the weights of emphasis.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from harness.data.prompt_weights import parse
from harness.diffusion.load import TextEncoders
from harness.diffusion.tokens import spelled

WINDOW = 75
"""Tokens of a text in one window; a first and a last one frame them."""
BACKTRACK = 20
"""How many tokens behind its last comma a full window gives to the next, as A1111 does."""
Window = list[tuple[int, float]]
"""Tokens with their weights."""


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
        states, summary = _read(model, tokens(texts, tokenizer, chunks))
        sequences.append(states.reshape(len(texts), -1, states.shape[-1]))
        pooled = summary.reshape(len(texts), chunks, -1)[:, 0]
    return torch.cat(sequences, dim=-1), pooled


def tokens(texts: Sequence[str], tokenizer: Any, chunks: int) -> Tensor:
    """Return B·chunks × 77 token ids; what does not fit is cut off."""
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
            rows.append(_framed(plain[at : at + WINDOW], tokenizer))
    return torch.tensor(rows)


def embed_weighted(text: str, encoders: TextEncoders, count: int) -> tuple[Tensor, Tensor]:
    """Return 1 × 77·count × D and 1 × P embeddings of a prompt with weights.

    Weights scale the states of their tokens; each window then gets its mean back, as in A1111's
    "original" emphasis. Windows that the text does not fill are those of an empty text.
    """
    sequences, pooled = [], torch.empty(0)
    for model, tokenizer in zip(
        (encoders.first, encoders.second), encoders.tokenizers, strict=True
    ):
        cut = windows(spelled(text, encoders.tokens), tokenizer)
        cut += [[] for _ in range(count - len(cut))]
        rows = [_framed([token for token, _ in window], tokenizer) for window in cut]
        states, summary = _read(model, torch.tensor(rows))
        sequences.append(_weighed(states, cut).flatten(0, 1)[None])
        pooled = summary[:1]
    return torch.cat(sequences, dim=-1), pooled


def count_windows(text: str, encoders: TextEncoders) -> int:
    """Return how many windows a prompt with weights fills."""
    text = spelled(text, encoders.tokens)
    return max(len(windows(text, tokenizer)) for tokenizer in encoders.tokenizers)


def windows(text: str, tokenizer: Any) -> list[Window]:
    """Return the weighted tokens of a prompt, window by window; one at least."""
    found: list[Window] = []
    comma = _ids(",", tokenizer)[-1]
    for stretch in parse(text):
        left = [(token, piece.weight) for piece in stretch for token in _ids(piece.text, tokenizer)]
        while len(left) > WINDOW:
            end = _end([token for token, _ in left], comma)
            found.append(left[:end])
            left = left[end:]
        found.append(left)
    return found if found[-1] or len(found) == 1 else found[:-1]


def _end(ids: Sequence[int], comma: int) -> int:
    """Return where the first window of too many tokens ends: behind a late comma, or full."""
    if ids[WINDOW] == comma:
        return WINDOW
    commas = [at for at in range(WINDOW - BACKTRACK, WINDOW) if ids[at] == comma]
    return commas[-1] + 1 if commas else WINDOW


def _ids(text: str, tokenizer: Any) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False, truncation=False).input_ids
    return ids


def _framed(ids: Sequence[int], tokenizer: Any) -> list[int]:
    framed = [tokenizer.bos_token_id, *ids, tokenizer.eos_token_id]
    return framed + [tokenizer.pad_token_id] * (WINDOW + 2 - len(framed))


def _read(model: Any, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Return B × 77 × D states and B × P pooled ones."""
    output = model(ids.to(model.device), output_hidden_states=True)
    return output.hidden_states[-2], output[0]


def _weighed(states: Tensor, cut: Sequence[Window]) -> Tensor:
    weights = torch.ones(states.shape[:2])
    for row, window in enumerate(cut):
        weights[row, 1 : len(window) + 1] = torch.tensor([weight for _, weight in window])
    if bool((weights == 1).all()):
        return states
    before = states.float()
    after = before * weights[..., None].to(states.device)
    share = before.mean((1, 2), keepdim=True) / after.mean((1, 2), keepdim=True)
    return (after * share).to(states.dtype)
