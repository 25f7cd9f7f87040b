"""New tokens with learned embeddings (arXiv:2208.01618), in both text encoders."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from harness.diffusion.finite import refuse_not_finite
from harness.diffusion.load import TextEncoders
from harness.errors import MissingPrerequisite, TrainingError
from harness.files import whole
from harness.fingerprint import number_of
from harness.pages.train import Token

FILE = "embeddings.safetensors"
PARTS = ("clip_l", "clip_g")
"""The usual names of the rows of each encoder in a file."""


class NewEmbeddings(nn.Module):
    """A frozen vocabulary, and some trained rows after it."""

    def __init__(self, known: nn.Embedding, new: Tensor) -> None:
        super().__init__()
        self.known, self.new = known, nn.Parameter(new)

    def forward(self, ids: Tensor) -> Tensor:
        size = self.known.num_embeddings
        old = self.known(ids.clamp(max=size - 1))
        new = self.new[(ids - size).clamp(min=0)].to(old.dtype)
        return torch.where((ids >= size)[..., None], new, old)


def entries_of(token: Token) -> list[str]:
    """Return the vocabulary entries of one token."""
    return [token.name, *(f"{token.name}_{number}" for number in range(1, token.vectors))]


def spell_out(text: str, tokens: Sequence[Token]) -> str:
    """Return `text` with each token replaced by all its entries."""
    for token in tokens:
        text = text.replace(token.name, " ".join(entries_of(token)))
    return text


def add_tokens(
    encoders: TextEncoders, tokens: Sequence[Token], values: Sequence[Tensor] | None, seed: int = 0
) -> list[nn.Parameter]:
    """Add the tokens to both vocabularies; return their rows, one tensor for each encoder.

    New rows start from `values`, from their initializer, or from noise as wide as the known rows.
    """
    rows = []
    models = (encoders.first, encoders.second)
    for number, (model, tokenizer) in enumerate(zip(models, encoders.tokenizers, strict=True)):
        known = model.get_input_embeddings()
        if len(tokenizer) != known.num_embeddings:
            raise TrainingError(
                "this base's vocabulary and embeddings differ in size",
                hint="tokens cannot be added to it",
            )
        words = [word for token in tokens for word in entries_of(token)]
        if tokenizer.add_tokens(words) != len(words):
            raise TrainingError(
                f"the vocabulary knows one of {', '.join(words)} already",
                hint="choose another name",
            )
        new = values[number] if values else _first(known, tokens, tokenizer, seed + number)
        wrapped = NewEmbeddings(known, new.to(known.weight.device, torch.float32))
        model.set_input_embeddings(wrapped)
        # Old configurations find the end of a text by the largest id, which a new token is.
        inner = getattr(model, "text_model", model)
        inner.eos_token_id = tokenizer.eos_token_id
        rows.append(wrapped.new)
    return rows


def _first(known: nn.Embedding, tokens: Sequence[Token], tokenizer: Any, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(number_of("tokens", seed))
    spread = known.weight.float().std().cpu()
    rows = []
    for token in tokens:
        noise = torch.randn((token.vectors, known.embedding_dim), generator=generator) * spread
        if token.initializer is not None:
            ids = tokenizer(token.initializer, add_special_tokens=False).input_ids
            if not ids:
                raise TrainingError(f"the initializer of {token.name} is no word")
            start = known.weight[ids].float().cpu().mean(0, keepdim=True)
            noise = start + 0.1 * noise
        rows.append(noise)
    return torch.cat(rows)


def save_tokens(rows: Sequence[Tensor], tokens: Sequence[Token], folder: Path) -> None:
    """Write the rows under the names that other tools expect: `clip_l` and `clip_g`."""
    content = {
        part: row.detach().float().cpu().contiguous() for part, row in zip(PARTS, rows, strict=True)
    }
    names = json.dumps([token.model_dump(mode="json") for token in tokens])
    with whole(folder / FILE) as part:
        save_file(content, part, metadata={"tokens": names})


def read_tokens(file: Path) -> tuple[list[Token], list[Tensor]]:
    """Return the tokens of a file and their rows."""
    try:
        with safe_open(file, framework="pt") as stored:
            metadata: Mapping[str, str] = stored.metadata() or {}
            if "tokens" not in metadata:
                raise MissingPrerequisite(f"{file} does not name its tokens")
            rows = [stored.get_tensor(part) for part in PARTS]
        refuse_not_finite(file, dict(zip(PARTS, rows, strict=True)))
        return [Token.model_validate(each) for each in json.loads(metadata["tokens"])], rows
    except (SafetensorError, OSError, ValueError, TypeError, RuntimeError) as error:
        what = " ".join(str(error).split())[:200]
        raise MissingPrerequisite(f"{file} holds no embeddings of tokens: {what}") from error


def attach_tokens(pipeline: Any, *files: Path) -> None:
    """Add the tokens of some files to a pipeline."""
    tokens: list[Token] = []
    parts: list[list[Tensor]] = [[] for _ in PARTS]
    for file in files:
        names, rows_of_file = read_tokens(file)
        tokens += names
        for part, row in zip(parts, rows_of_file, strict=True):
            part.append(row)
    rows = [torch.cat(part) for part in parts]
    encoders = TextEncoders(
        pipeline.text_encoder, pipeline.text_encoder_2, (pipeline.tokenizer, pipeline.tokenizer_2)
    )
    add_tokens(encoders, tokens, rows)
