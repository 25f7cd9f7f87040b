"""The walk over a configuration finds what the real networks are made of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from networks import pocket_unet, sdxl_unet, text_encoder
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from harness.diffusion.adapters import add_adapter
from harness.diffusion.anatomy import flops, parameters, text_layers, unet_layers
from harness.diffusion.shapes import (
    BIG_G,
    CLIP_L,
    SDXL,
    TextEncoderShape,
    image_size,
    texts_of,
    unet_of,
)
from harness.diffusion.targets import adapter_parameters, rank_of
from harness.pages.train import Adapter

SIZED = (nn.Linear, nn.Conv2d, nn.GroupNorm, nn.LayerNorm)


def size_of(module: nn.Module) -> int:
    return sum(each.numel() for each in module.parameters())


@pytest.fixture(scope="module")
def unet() -> UNet2DConditionModel:
    return sdxl_unet()


def test_every_layer_of_sdxl_is_found_by_its_name_with_all_its_parameters(
    unet: UNet2DConditionModel,
) -> None:
    real = {name: size_of(part) for name, part in unet.named_modules() if isinstance(part, SIZED)}
    found = {each.name: each.parameters for each in unet_layers(SDXL, 128, 128) if each.parameters}
    assert found == real
    assert sum(found.values()) == size_of(unet) == 2_567_463_684


def test_the_pocket_is_read_from_its_own_configuration() -> None:
    real = pocket_unet()
    shape = unet_of("pocket/sdxl")
    assert shape != SDXL
    assert parameters(unet_layers(shape, 8, 8)) == size_of(real)
    names = {name for name, part in real.named_modules() if isinstance(part, SIZED)}
    assert {each.name for each in unet_layers(shape, 8, 8) if each.parameters} == names


def test_a_base_says_for_which_size_it_was_made_and_a_known_one_of_the_hub_needs_no_download(
    tmp_path: Path, unet: UNet2DConditionModel
) -> None:
    assert image_size("pocket/sdxl") == 64
    assert image_size("stabilityai/stable-diffusion-xl-base-1.0") == 1024
    assert image_size("stabilityai/sdxl-turbo") == 512
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet/config.json").write_text(json.dumps(dict(unet.config) | {"sample_size": 96}))
    assert image_size(str(tmp_path)) == 768


def test_a_base_that_is_not_here_counts_as_sdxl_and_a_folder_as_what_it_says(
    tmp_path: Path, unet: UNet2DConditionModel
) -> None:
    assert unet_of("someone/some-sdxl") == SDXL
    assert texts_of("someone/some-sdxl") == (CLIP_L, BIG_G)
    config = dict(unet.config) | {"layers_per_block": 3}
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet/config.json").write_text(json.dumps(config))
    deeper = sdxl_unet(layers_per_block=3)
    assert parameters(unet_layers(unet_of(str(tmp_path)), 32, 32)) == size_of(deeper)


@pytest.mark.parametrize(("text", "size"), [(CLIP_L, 123_060_480), (BIG_G, 694_659_840)])
def test_text_encoders_have_the_parameters_of_the_real_ones(
    text: TextEncoderShape, size: int
) -> None:
    assert parameters(text_layers(text)) == size_of(text_encoder(text)) == size


@pytest.mark.parametrize(("side", "teraflops"), [(256, 0.428), (512, 1.589), (1024, 6.761)])
def test_a_forward_pass_of_sdxl_takes_the_flops_that_are_known(side: int, teraflops: float) -> None:
    assert flops(unet_layers(SDXL, side // 8, side // 8)) / 1e12 == pytest.approx(
        teraflops, abs=5e-4
    )


@pytest.mark.slow
@pytest.mark.parametrize(("height", "width"), [(32, 32), (56, 40)])
def test_flops_are_those_that_torch_counts(
    height: int, width: int, unet: UNet2DConditionModel
) -> None:
    def empty(*shape: int) -> torch.Tensor:
        return torch.empty(shape, device="meta")

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        unet(
            empty(1, 4, height, width),
            empty(1),
            empty(1, 77, 2048),
            added_cond_kwargs={"text_embeds": empty(1, 1280), "time_ids": empty(1, 6)},
        )
    assert flops(unet_layers(SDXL, height, width)) == counter.get_total_flops()


def test_a_lora_on_attention_takes_the_modules_and_parameters_that_are_known() -> None:
    for rank, size in ((4, 5_806_080), (16, 23_224_320), (64, 92_897_280)):
        adapter = Adapter(rank=rank)
        layers = list(unet_layers(SDXL, 128, 128))
        assert sum(rank_of(adapter, each) > 0 for each in layers) == 560
        assert sum(adapter_parameters(adapter, each) for each in layers) == size


@pytest.mark.parametrize(
    "adapter",
    [
        Adapter(rank=4),
        Adapter(rank=4, targets="attention+ff"),
        Adapter(rank=4, targets=r"attn2\.to_[kv]$"),
        Adapter(rank=4, targets="resnets.*conv|proj_in"),
        Adapter(rank=4, ranks={"mid_block": 12, r"to_q$": 2}),
        Adapter(rank=4, dora=True),
    ],
    ids=str,
)
def test_an_adapter_has_the_parameters_that_peft_gives_it(adapter: Adapter) -> None:
    real = pocket_unet()
    add_adapter(real, adapter, "unet", torch.float32)
    trained = sum(each.numel() for each in real.parameters() if each.requires_grad)
    layers = unet_layers(unet_of("pocket/sdxl"), 8, 8)
    assert sum(adapter_parameters(adapter, each) for each in layers) == trained


@pytest.mark.parametrize("targets", ["attention", "attention+ff", "up_blocks"])
def test_the_adapter_of_a_text_encoder_has_the_parameters_that_peft_gives_it(targets: str) -> None:
    shape = TextEncoderShape(width=64, depth=2, inner=96, vocabulary=100, heads=4)
    adapter, real = Adapter(rank=4, targets=targets), text_encoder(shape)
    real.requires_grad_(False)
    with torch.device("meta"):
        add_adapter(real, adapter, "text_encoder", torch.float32)
    trained = sum(each.numel() for each in real.parameters() if each.requires_grad)
    found = sum(adapter_parameters(adapter, each, "text") for each in text_layers(shape))
    assert found == trained > 0
