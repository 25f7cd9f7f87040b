"""Another trainer's word is answered with ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import PageError
from harness.pages import other_trainers, recipe
from harness.pages.messages import models_at
from harness.pages.recipe import Recipe

PAGE = """\
name: ink
summary: A test.
base: {model: pocket/sdxl}
data: {source: {use: pocket, set: ninja, count: 10}}
train:
  method: lora
  adapter: {rank: 16}
  resolution: 64
  batch: 8
  optimizer: {use: adamw}
  phases: [{steps: 40, rate: 1e-4}]
  WORD: 1
"""
SCRIPTS = [
    "learning_rate",
    "max_train_steps",
    "train_batch_size",
    "gradient_accumulation_steps",
    "lr_scheduler",
    "lr_warmup_steps",
    "mixed_precision",
    "network_dim",
    "network_alpha",
    "lora_rank",
    "unet_lr",
    "text_encoder_lr",
    "min_snr_gamma",
    "cache_latents",
    "cache_text_encoder_outputs",
    "enable_bucket",
    "shuffle_caption",
    "keep_tokens",
    "caption_dropout_rate",
    "prior_loss_weight",
    "class_prompt",
    "num_class_images",
    "instance_prompt",
    "use_8bit_adam",
    "adam_beta1",
    "lr_end",
    "resume_from_checkpoint",
    "checkpointing_steps",
    "num_train_epochs",
    "center_crop",
    "random_flip",
    "proportion_empty_prompts",
    "use_dora",
    "validation_prompt",
    "report_to",
]
"""Words that a user of the well-known scripts will try."""


def said_of(word: str, folder: Path) -> str:
    (folder / "ink.yaml").write_text(PAGE.replace("WORD", word))
    with pytest.raises(PageError) as caught:
        recipe.load(folder / "ink.yaml")
    [problem] = caught.value.problems
    assert problem.line == 12
    assert problem.message == "is not a field"
    assert problem.hint is not None
    return problem.hint


@pytest.mark.parametrize("word", SCRIPTS)
def test_a_word_of_the_scripts_is_known(word: str) -> None:
    assert other_trainers.hint(word) is not None


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("learning_rate", "here it is train.phases[].rate"),
        ("--train-batch-size".strip("-"), "here it is train.batch"),
        ("Network_Dim", "here it is train.adapter.rank"),
        ("rank", "here it is train.adapter.rank"),
        ("lr_end", "here it is train.phases[].floor, a share of the rate"),
        (
            "cache_text_encoder_outputs",
            "captions are embedded ahead wherever the encoders rest; there is nothing to set",
        ),
        ("bach", "did you mean train.batch?"),
    ],
)
def test_a_page_is_told_what_the_word_is_here(word: str, expected: str, tmp_path: Path) -> None:
    assert said_of(word, tmp_path) == expected


def fields_at(place: str) -> set[str]:
    """Return the fields beside the last word of `place`, whatever plugin stands there."""
    parts = [part for word in place.split(".")[:-1] for part in _steps(word)]
    return {name for kind in models_at(Recipe, {}, tuple(parts)) for name in kind.model_fields}


def _steps(word: str) -> list[str | int]:
    return [word.removesuffix("[]"), 0] if word.endswith("[]") else [word]


def test_every_hint_leads_to_a_field() -> None:
    places = other_trainers.places()
    assert len(places) > 60
    for place in places:
        assert place.split(".")[-1].removesuffix("[]") in fields_at(place), place


def test_a_word_has_one_answer() -> None:
    texts = [*other_trainers._PLACES.values(), *other_trainers._REMARKS]
    words = [word for text in texts for word in text.split()]
    assert len(words) > 120
    assert len(words) == len(set(words))


def test_an_unknown_word_has_none() -> None:
    assert other_trainers.hint("zzz") is None
