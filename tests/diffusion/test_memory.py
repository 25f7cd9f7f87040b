"""What a run is said to hold is what autograd and the optimizers really hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from kept_for_backward import FrugalAttention, kept_anyway, kept_by
from networks import pocket_unet, sdxl_unet
from torch._subclasses.fake_tensor import FakeTensorMode

from harness import plugins
from harness.diffusion.adapters import add_adapter
from harness.diffusion.anatomy import unet_layers
from harness.diffusion.memory import kept, memory_of, samples_per_pass, samples_per_step, upkeep
from harness.diffusion.shapes import SDXL, unet_of
from harness.diffusion.slicing import HeadByHead
from harness.pages import recipe
from harness.pages.train import Train

BASE = "stabilityai/stable-diffusion-xl-base-1.0"
LORA: dict[str, Any] = {
    "method": "lora",
    "adapter": {"rank": 16},
    "resolution": 64,
    "batch": 1,
    "optimizer": {"use": "adamw"},
    "phases": ({"steps": 1, "rate": 1e-4},),
}
FULL = {"method": "full", "adapter": None}
SPEAKING = {"phases": ({"steps": 1, "rate": 1e-4, "text_encoder_rates": (1e-4, 1e-4)},)}


def training(**changes: Any) -> Train:
    return Train.model_validate(LORA | changes)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"resolution": 128},
        {"gradient_checkpointing": True},
        {"gradient_checkpointing": 2},
        {"gradient_checkpointing": 3, **SPEAKING},
        {"attention_slicing": True},
        SPEAKING,
        {"adapter": {"rank": 4, "targets": "attention+ff"}},
        {"adapter": {"rank": 4, "targets": "up_blocks.*attn2.to_k"}},
        {"adapter": {"rank": 4, "dora": True}},
        {"adapter": {"rank": 4, "dropout": 0.1}},
        FULL,
        {"gradient_checkpointing": 2, **FULL},
    ],
    ids=str,
)
def test_what_the_pocket_keeps_for_the_way_back_is_counted(changes: dict[str, Any]) -> None:
    train, unet = training(**changes), pocket_unet()
    if train.adapter is None:
        unet.requires_grad_(True)
    else:
        add_adapter(unet, train.adapter, "unet", torch.float32)
    if train.attention_slicing:
        unet.set_attn_processor(HeadByHead())
    side = train.resolution // 8
    found = kept(unet_layers(unet_of("pocket/sdxl"), side, side), train, moving=train.trains_text)
    real = kept_by(unet.train(), train, "cpu", torch.float32)
    assert found == pytest.approx(real, rel=0.06)


@pytest.mark.parametrize(
    "adapter",
    [
        {"use": "lokr", "rank": 2, "factor": 8},
        {"use": "loha", "rank": 2},
        {"use": "oft", "rank": 8},
        {"use": "ia3", "rank": 1},
    ],
    ids=lambda adapter: adapter["use"],
)
def test_what_other_kinds_of_adapter_keep_is_counted(adapter: dict[str, Any]) -> None:
    train, unet = training(adapter=adapter), pocket_unet()
    assert train.adapter is not None
    add_adapter(unet, train.adapter, "unet", torch.float32)
    side = train.resolution // 8
    found = kept(unet_layers(unet_of("pocket/sdxl"), side, side), train)
    assert found == pytest.approx(kept_by(unet.train(), train, "cpu", torch.float32), rel=0.06)
    whole = memory_of(train, "pocket/sdxl").copies
    assert (whole > 0) == (adapter["use"] in ("lokr", "loha"))
    if whole:
        assert whole == pytest.approx(kept_anyway(unet, train), rel=0.05)


@contextmanager
def autocast_without_a_gpu() -> Iterator[None]:
    """Let tensors claim to lie on a GPU, and autocast treat them so; nothing is computed."""
    with FakeTensorMode():
        torch.set_autocast_enabled("cuda", True)
        torch.set_autocast_dtype("cuda", torch.float16)
        try:
            yield
        finally:
            torch.set_autocast_enabled("cuda", False)
            torch.clear_autocast_cache()


@pytest.mark.slow
@pytest.mark.parametrize("checkpointing", [False, True, 2])
def test_what_sdxl_keeps_in_half_precision_is_counted(checkpointing: bool | int) -> None:
    train = training(resolution=256, precision="fp16", gradient_checkpointing=checkpointing)
    unet = sdxl_unet().half().requires_grad_(False)
    assert train.adapter is not None
    with torch.device("meta"):
        add_adapter(unet, train.adapter, "unet", torch.float32)
    unet.train().set_attn_processor(FrugalAttention())
    with autocast_without_a_gpu():
        for module in unet.modules():
            for name, old in module.named_parameters(recurse=False):
                new = torch.empty(old.shape, dtype=old.dtype, device="cuda")
                setattr(module, name, torch.nn.Parameter(new, old.requires_grad))
        real = kept_by(unet, train, "cuda", torch.float16)
    assert kept(unet_layers(SDXL, 32, 32), train) == pytest.approx(real, rel=0.02)


@pytest.mark.parametrize("use", ["adamw", "prodigy", "schedule-free", "lion", "adafactor", "came"])
def test_an_optimizer_holds_what_it_is_said_to_hold(use: str) -> None:
    train = training(optimizer={"use": use})
    unet = pocket_unet()
    assert train.adapter is not None
    add_adapter(unet, train.adapter, "unet", torch.float32)
    moving = [each for each in unet.parameters() if each.requires_grad]
    optimizer = plugins.implementation(train.optimizer)(
        train.optimizer, [{"params": moving, "lr": 1e-4, "weight_decay": 0.0}]
    )
    for each in moving:
        each.grad = torch.full_like(each, 0.01)
    optimizer.step()
    held = sum(
        value.numel() * value.element_size()
        for state in optimizer.state.values()
        for value in state.values()
        if isinstance(value, torch.Tensor)
    )
    count = sum(each.numel() for each in moving)
    assert held / count == pytest.approx(upkeep(train).state, abs=0.4, rel=0.13)


def test_nothing_is_kept_before_the_first_layer_that_is_trained() -> None:
    late = training(adapter={"rank": 4, "targets": "up_blocks.1"})
    layers = list(unet_layers(unet_of("pocket/sdxl"), 8, 8))
    first = next(at for at, each in enumerate(layers) if each.name.startswith("up_blocks.1"))
    assert kept(layers[:first], late) == 0
    assert kept(layers[:first], late, moving=True) > 0


def test_a_full_fine_tune_holds_weights_gradients_and_both_moments_in_fp32() -> None:
    memory = memory_of(training(**FULL), BASE)
    count = 2_567_463_684
    assert (memory.weights, memory.gradients, memory.state) == (4 * count, 4 * count, 8 * count)
    assert memory.copies == 0
    assert memory_of(training(precision="bf16", **FULL), BASE).copies == 2 * count


def test_a_lora_adds_little_to_a_base_in_half_precision() -> None:
    memory = memory_of(training(precision="fp16", ema={"decay": 0.99}), BASE)
    assert memory.weights == 2 * 2_567_463_684
    assert memory.trained == 2 * 4 * 23_224_320
    assert memory.gradients == 4 * 23_224_320


@given(
    batch=st.integers(1, 24),
    accumulation=st.integers(1, 8),
    has_prior=st.booleans(),
    gigabytes=st.floats(0, 200),
)
def test_a_pass_holds_whole_micro_batches_or_an_even_part_of_one(
    batch: int, accumulation: int, has_prior: bool, gigabytes: float
) -> None:
    prior = {"prompt": "a face", "images": 4} if has_prior else None
    train = training(batch=batch, accumulation=accumulation, prior=prior, resolution=256)
    budget, memory = int(gigabytes * 1e9), memory_of(train, "pocket/sdxl")
    samples = samples_per_pass(train, "pocket/sdxl", budget)
    assert samples <= samples_per_step(train)
    assert samples % batch == 0 or batch % samples == 0
    assert samples == 1 or memory.standing + samples * memory.sample <= budget


def test_a_larger_budget_never_gives_a_smaller_pass() -> None:
    train = recipe.load("naruto-1024").train
    assert train is not None
    found = [samples_per_pass(train, BASE, giga * 10**9) for giga in range(5, 30)]
    assert found == sorted(found)
    assert (found[0], found[-1]) == (1, train.effective_batch)
