"""New words: in training, in a file, and in a pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from harness.diffusion.load import TextEncoders, load_pipeline, load_text_encoders
from harness.diffusion.text_embeddings import embed
from harness.diffusion.tokens import add_tokens, attach_tokens, read_tokens, save_tokens, spell_out
from harness.errors import TrainingError
from harness.pages.recipe import Base
from harness.pages.train import Token

BASE = Base(model="pocket/sdxl")
INK = Token(name="<ink>", vectors=3, initializer="girl")


def taught(*tokens: Token) -> tuple[TextEncoders, list[torch.nn.Parameter]]:
    plain = load_text_encoders(BASE, "cpu", torch.float32)
    rows = add_tokens(plain, tokens, None)
    return TextEncoders(plain.first, plain.second, plain.tokenizers, tokens), rows


def test_a_token_is_written_out_as_all_its_vectors():
    assert spell_out("a <ink> cat", [INK]) == "a <ink> <ink>_1 <ink>_2 cat"


def test_a_pipeline_reads_a_token_as_training_did(tmp_path: Path):
    encoders, rows = taught(INK)
    for row in rows:
        row.data.normal_(0, 0.5, generator=torch.Generator().manual_seed(1))
    save_tokens(rows, [INK], tmp_path)
    pipeline = load_pipeline(BASE, None, "ddim", None, "cpu", "fp32")
    attach_tokens(pipeline, tmp_path / "embeddings.safetensors")
    with torch.no_grad():
        sequence, pooled = embed(["<ink>, 1girl"], encoders)
        told = pipeline.encode_prompt("<ink>, 1girl", device="cpu")
        plain = pipeline.encode_prompt("1girl", device="cpu")
    assert torch.allclose(told[0], sequence, atol=1e-5)
    assert torch.allclose(told[2], pooled, atol=1e-5)
    assert not torch.allclose(told[2], plain[2], atol=1e-2)


def test_texts_without_the_token_read_as_before():
    before = load_text_encoders(BASE, "cpu", torch.float32)
    encoders, _ = taught(INK)
    with torch.no_grad():
        for one, other in zip(embed(["1girl"], before), embed(["1girl"], encoders), strict=True):
            assert torch.equal(one, other)


def test_new_rows_start_near_their_word_and_at_the_vocabularys_spread():
    free = Token(name="<free>", vectors=4)
    encoders, rows = taught(INK, free)
    for row, model, tokenizer in zip(
        rows, (encoders.first, encoders.second), encoders.tokenizers, strict=True
    ):
        known = model.get_input_embeddings().known.weight
        girl = known[tokenizer("girl", add_special_tokens=False).input_ids].mean(0)
        spread = float(known.std())
        assert float((row[:3] - girl).detach().abs().mean()) < 0.2 * spread
        assert float(row[3:].detach().std()) == pytest.approx(spread, rel=0.3)


def test_a_token_file_says_what_it_holds(tmp_path: Path):
    _, rows = taught(INK)
    save_tokens(rows, [INK], tmp_path)
    tokens, read = read_tokens(tmp_path / "embeddings.safetensors")
    assert tokens == [INK]
    assert all(torch.equal(one, other.data) for one, other in zip(read, rows, strict=True))


def test_a_token_the_vocabulary_knows_is_refused():
    with pytest.raises(TrainingError, match="knows one of <ink>"):
        taught(INK, INK)
