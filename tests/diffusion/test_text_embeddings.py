"""Prompts with weights on the pocket's encoders, in windows and in images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline

from harness.diffusion.load import TextEncoders, load_pipeline
from harness.diffusion.sampler import ImageSampler, Request
from harness.diffusion.text_embeddings import WINDOW, count_windows, embed_weighted, windows
from harness.pages.benchmark import Sampler
from harness.pages.recipe import Base

SHORT = "1girl, solo, blonde hair, twintails, blue eyes"
LONG = ", ".join(["red hair", "blue eyes", "smile", "outdoors", "night"] * 16)


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionXLPipeline:
    return load_pipeline(Base(model="pocket/sdxl"), None, "euler", None, "cpu", "fp32")


@pytest.fixture(scope="module")
def encoders(pipeline: StableDiffusionXLPipeline) -> TextEncoders:
    pair = (pipeline.tokenizer, pipeline.tokenizer_2)
    return TextEncoders(pipeline.text_encoder, pipeline.text_encoder_2, pair)


def words(pipeline: StableDiffusionXLPipeline, style: str, text: str, negative: str = "") -> Any:
    sampler = Sampler(steps=2, guidance=4.0, width=64, height=64, prompt_style=style)  # type: ignore[arg-type]
    with torch.no_grad():
        return ImageSampler(pipeline, sampler, "cpu")._encode(Request("p", 0, text, negative))


def drawn(pipeline: StableDiffusionXLPipeline, style: str, *texts: str) -> list[Any]:
    sampler = Sampler(steps=4, guidance=4.0, width=64, height=64, prompt_style=style)  # type: ignore[arg-type]
    return ImageSampler(pipeline, sampler, "cpu").draw([Request("p", 0, text) for text in texts])


@pytest.mark.parametrize("negative", ["", "lowres, bad anatomy"])
@pytest.mark.parametrize("text", [SHORT, f"({SHORT}:1.0)", "a cat"])
def test_weights_of_one_read_as_a_plain_prompt(
    pipeline: StableDiffusionXLPipeline, text: str, negative: str
):
    ours = words(pipeline, "webui", text, negative)
    plain = words(pipeline, "plain", text.replace("(", "").replace(":1.0)", ""), negative)
    for one, other in zip(ours, plain, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_a_weight_scales_its_tokens_and_each_window_keeps_its_mean(encoders: TextEncoders):
    with torch.no_grad():
        plain, pooled = embed_weighted("a red hat", encoders, 1)
        heavy, same = embed_weighted("a (red:1.5) hat", encoders, 1)
    width = encoders.first.config.hidden_size
    for part in (slice(0, width), slice(width, None)):
        before, after = plain[0, :, part], heavy[0, :, part]
        scaled = before.clone()
        scaled[2] *= 1.5
        assert torch.allclose(after, scaled * before.mean() / scaled.mean(), atol=1e-5)
        assert float(after.mean()) == pytest.approx(float(before.mean()), abs=1e-6)
    assert torch.equal(pooled, same)


def test_long_prompts_fill_windows_that_end_behind_a_comma(encoders: TextEncoders):
    tokenizer = encoders.tokenizers[0]
    found = windows(LONG, tokenizer)
    comma = tokenizer(",", add_special_tokens=False).input_ids[-1]
    whole = tokenizer(LONG, add_special_tokens=False).input_ids
    assert [token for window in found for token, _ in window] == whole
    assert len(found) == count_windows(LONG, encoders) > 1
    assert all(len(window) <= WINDOW and window[-1][0] == comma for window in found[:-1])


def test_words_without_commas_fill_each_window(encoders: TextEncoders):
    found = windows("cat " * 160, encoders.tokenizers[0])
    each = len(encoders.tokenizers[0]("cat", add_special_tokens=False).input_ids)
    total = 160 * each
    assert [len(window) for window in found] == [
        min(WINDOW, total - at) for at in range(0, total, WINDOW)
    ]


def test_break_begins_a_window_and_leaves_none_empty_at_the_end(encoders: TextEncoders):
    tokenizer = encoders.tokenizers[0]
    assert [len(window) > 0 for window in windows("a BREAK b", tokenizer)] == [True, True]
    assert len(windows("a BREAK", tokenizer)) == 1
    assert windows("", tokenizer) == [[]]


def test_both_sides_are_as_long_as_the_longer_one(pipeline: StableDiffusionXLPipeline):
    text, negative, _, _ = words(pipeline, "webui", SHORT, LONG)
    assert text.shape == negative.shape
    assert text.shape[1] % 77 == 0
    assert text.shape[1] > 77


def test_pooled_words_are_those_of_the_first_window(pipeline: StableDiffusionXLPipeline):
    tokenizer = pipeline.tokenizer
    first = tokenizer.decode([token for token, _ in windows(LONG, tokenizer)[0]])
    assert torch.allclose(
        words(pipeline, "webui", LONG)[2], words(pipeline, "webui", first)[2], atol=1e-5
    )


def test_a_weight_changes_the_image(pipeline: StableDiffusionXLPipeline):
    plain, heavy = drawn(
        pipeline, "webui", SHORT, SHORT.replace("blonde hair", "(blonde hair:1.6)")
    )
    assert np.abs(plain.astype(int) - heavy).max() > 3


def test_what_is_beyond_75_tokens_counts_only_where_prompts_have_windows(
    pipeline: StableDiffusionXLPipeline,
):
    tokenizer = pipeline.tokenizer
    ids = tokenizer(LONG, add_special_tokens=False).input_ids
    assert len(ids) > 2 * WINDOW - 1
    cut = tokenizer.decode(ids[:WINDOW])
    assert tokenizer(cut, add_special_tokens=False).input_ids == ids[:WINDOW]
    whole, first = (words(pipeline, "plain", text) for text in (LONG, cut))
    assert all(torch.equal(one, other) for one, other in zip(whole, first, strict=True))
    one, other = drawn(pipeline, "webui", LONG, cut)
    assert np.abs(one.astype(int) - other).max() > 3


def test_prompts_of_unlike_length_share_a_batch(pipeline: StableDiffusionXLPipeline):
    together = drawn(pipeline, "webui", SHORT, LONG, SHORT)
    alone = [drawn(pipeline, "webui", text)[0] for text in (SHORT, LONG)]
    for image, other in zip(together, [*alone, alone[0]], strict=True):
        assert np.abs(image.astype(int) - other).max() <= 1


def test_a_prompt_brings_its_own_negative(pipeline: StableDiffusionXLPipeline):
    sampler = Sampler(steps=4, guidance=4.0, width=64, height=64, negative="night")
    image_sampler = ImageSampler(pipeline, sampler, "cpu")
    asked = [
        Request("p", 0, SHORT),
        Request("p", 0, SHORT, "night"),
        Request("p", 0, SHORT, ""),
        Request("p", 0, SHORT, "blonde hair, 1girl"),
    ]
    inherited, same, none, own = (image.astype(int) for image in image_sampler.draw(asked))
    assert np.abs(inherited - same).max() <= 1
    assert np.abs(inherited - none).max() > 3
    assert np.abs(inherited - own).max() > 3
