"""Layers without unused branches against those of diffusers: the same bits."""

from __future__ import annotations

import copy

import pytest
import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.resnet import ResnetBlock2D

from harness.diffusion.direct_layers import DirectAttention, DirectResnetBlock, make_direct
from harness.diffusion.load import load_unet, load_vae
from harness.diffusion.slicing import HeadByHead
from harness.pages.recipe import Base

POCKET = Base(model="pocket/sdxl")


def outputs(unet: torch.nn.Module, training: bool) -> list[torch.Tensor]:
    """Return a prediction, and its gradient by the input and by every weight."""
    unet.train(training)
    random = torch.Generator().manual_seed(3)
    latents = torch.randn((3, 16, 8, 8), generator=random).to(memory_format=torch.channels_last)
    latents.requires_grad_(True)
    words = torch.randn((3, 77, 128), generator=random)
    facts = {
        "text_embeds": torch.randn((3, 64), generator=random),
        "time_ids": torch.rand((3, 6), generator=random) * 64,
    }
    out = unet(latents, torch.tensor([3, 500, 700]), words, added_cond_kwargs=facts).sample
    gradients = torch.autograd.grad(out.square().mean(), [latents, *unet.parameters()])
    return [out, *gradients]


@pytest.mark.parametrize("training", [True, False])
def test_a_direct_unet_says_and_learns_the_same_bits(training: bool):
    plain = load_unet(POCKET, "cpu", torch.float32).requires_grad_(True)
    direct = copy.deepcopy(plain)
    kinds = (Attention, ResnetBlock2D)
    assert make_direct(direct) == sum(isinstance(each, kinds) for each in plain.modules()) > 20
    assert {type(each) for each in direct.modules() if isinstance(each, kinds)} == {
        DirectAttention,
        DirectResnetBlock,
    }
    for one, other in zip(outputs(plain, training), outputs(direct, training), strict=True):
        assert torch.equal(one, other)


def test_a_layer_that_takes_another_branch_stays_as_it_is():
    vae = load_vae(POCKET, "cpu")
    assert make_direct(vae) > 0
    attentions = [each for each in vae.modules() if isinstance(each, Attention)]
    assert attentions
    assert all(type(each) is Attention for each in attentions), "it adds its input to its output"


def test_a_processor_that_is_set_later_is_used():
    unet = load_unet(POCKET, "cpu", torch.float32)
    make_direct(unet)
    layer = next(each for each in unet.modules() if isinstance(each, DirectAttention))
    rows = torch.randn(2, 9, layer.query_dim)
    asked: list[Attention] = []

    class Noting(HeadByHead):
        def __call__(self, layer: Attention, *words: object, **named: object) -> torch.Tensor:
            asked.append(layer)
            return super().__call__(layer, *words, **named)

    layer.set_processor(Noting())
    layer(rows)
    assert asked == [layer]
