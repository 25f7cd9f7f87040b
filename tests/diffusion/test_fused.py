"""The fused LoRA layer against PEFT's own."""

from __future__ import annotations

import copy

import pytest
import torch
from peft.tuners.lora import LoraLayer

from harness.diffusion.adapters import add_adapter, hash_dropouts
from harness.diffusion.fused import Casts, FusedLinear, fuse
from harness.diffusion.load import load_unet
from harness.pages.recipe import Base
from harness.pages.train import Adapter


def adapted(seed: int = 0, **words: object) -> torch.nn.Module:
    unet = load_unet(Base(model="pocket/sdxl"), "cpu", torch.float32)
    torch.manual_seed(seed)
    add_adapter(unet, Adapter(rank=4, **words), "unet", torch.float32)
    for name, parameter in unet.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(0, 0.05)
    return unet.train()


def step(unet: torch.nn.Module) -> tuple[torch.Tensor, list[torch.Tensor]]:
    generator = torch.Generator().manual_seed(3)
    config = unet.config
    latents = torch.randn((2, config.in_channels, 8, 8), generator=generator)
    words = torch.randn((2, 77, config.cross_attention_dim), generator=generator)
    conditions = {
        "text_embeds": torch.randn((2, pooled_size(config)), generator=generator),
        "time_ids": torch.rand((2, 6), generator=generator) * 64,
    }
    out = unet(latents, torch.tensor([3, 700]), words, added_cond_kwargs=conditions).sample
    out.square().mean().backward()
    return out.detach(), [one.grad for one in unet.parameters() if one.requires_grad]


def pooled_size(config: object) -> int:
    return config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim


@pytest.mark.parametrize("alpha", [4.0, 1.0, 13.0])
def test_a_fused_layer_says_and_learns_what_pefts_does(alpha: float):
    plain = adapted(alpha=alpha)
    fused = copy.deepcopy(plain)
    count = fuse(fused)
    assert count == sum(isinstance(layer, LoraLayer) for layer in plain.modules()) > 50
    (out, gradients), (other, others) = step(plain), step(fused)
    assert torch.allclose(out, other, atol=1e-5)
    for one, two in zip(gradients, others, strict=True):
        assert float((one - two).norm()) <= 2e-5 * float(one.norm()) + 1e-12


def test_under_autocast_the_products_are_half_and_the_gradients_whole():
    unet = adapted()
    fuse(unet)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out, gradients = step(unet)
    assert out.dtype == torch.bfloat16
    assert {gradient.dtype for gradient in gradients} == {torch.float32}
    exact = adapted()
    fuse(exact)
    whole = torch.cat([gradient.flatten() for gradient in step(exact)[1]])
    rough = torch.cat([gradient.flatten() for gradient in gradients])
    assert float((whole - rough).norm()) < 0.1 * float(whole.norm())


@pytest.mark.parametrize("words", [{"dropout": 0.1}, {"dora": True}])
def test_layers_with_dropout_or_dora_stay_as_they_are(words):
    unet = adapted(**words)
    hash_dropouts(unet, "unet", [torch.tensor([1, 2], dtype=torch.int32)])
    assert fuse(unet) == 0
    step(unet)


def test_factors_that_are_cast_once_give_the_same_bits():
    unet = adapted()
    fuse(unet)
    casts = Casts([unet])
    with torch.autocast("cpu", torch.bfloat16):
        out, own = step(unet)
        own = [each.clone() for each in own]
        for _ in range(2):  # the second time into the same memory
            unet.zero_grad(set_to_none=True)
            with casts.held(torch.bfloat16):
                other, held = step(unet)
            assert torch.equal(out, other)
            assert all(map(torch.equal, own, held))


def test_factors_that_moved_are_cast_anew_and_never_used_outside_the_block():
    unet = adapted()
    fuse(unet)
    casts = Casts([unet])
    with torch.autocast("cpu", torch.bfloat16):
        with casts.held(torch.bfloat16):
            before, _ = step(unet)
        with torch.no_grad():
            for name, parameter in unet.named_parameters():
                if "lora_B" in name:
                    parameter.mul_(2)
        expected, _ = step(unet)
        with casts.held(torch.bfloat16):
            after, _ = step(unet)
    assert torch.equal(after, expected)
    assert not torch.equal(after, before)


def test_nothing_is_cast_where_the_factors_have_the_right_format():
    unet = adapted()
    fuse(unet)
    with Casts([unet]).held(torch.float32):
        fused = [layer for layer in unet.modules() if isinstance(layer, FusedLinear)]
        assert len(fused) > 50
        assert all(layer.casts is None for layer in fused)
