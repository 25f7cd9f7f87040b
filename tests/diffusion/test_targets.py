"""One list of the layers that get an adapter, for training and for the forecast."""

from __future__ import annotations

import pytest

from harness.diffusion.targets import is_target, own_rank
from harness.pages.train import TARGETS, Adapter

LAYER = "down_blocks.1.attentions.0.transformer_blocks.0"


@pytest.mark.parametrize(
    ("targets", "name", "expected"),
    [
        ("attention", f"{LAYER}.attn1.to_q", True),
        ("attention", f"{LAYER}.ff.net.2", False),
        ("attention+ff", f"{LAYER}.ff.net.2", True),
        ("attn2", f"{LAYER}.attn2.to_q", True),
        ("attn2", f"{LAYER}.attn1.to_q", False),
    ],
)
def test_targets_of_the_unet_are_words_or_a_pattern(
    targets: str, name: str, expected: bool
) -> None:
    assert is_target(Adapter(rank=4, targets=targets), name) == expected


@pytest.mark.parametrize("targets", [*TARGETS, "attn2"])
def test_text_encoders_get_an_adapter_on_attention_whatever_the_pattern(targets: str) -> None:
    adapter = Adapter(rank=4, targets=targets)
    layer = "encoder.layers.0"
    assert is_target(adapter, f"{layer}.self_attn.q_proj", "text_encoder")
    assert is_target(adapter, f"{layer}.mlp.fc1", "text_encoder") == (targets == "attention+ff")


def test_the_first_pattern_that_matches_gives_the_rank() -> None:
    adapter = Adapter(rank=4, ranks={"attn1": 8, "to_q": 16})
    assert own_rank(adapter, f"{LAYER}.attn1.to_q") == 8
    assert own_rank(adapter, f"{LAYER}.attn2.to_q") == 16
    assert own_rank(adapter, f"{LAYER}.attn2.to_k") is None
