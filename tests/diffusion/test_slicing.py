"""Attention head by head against attention all at once."""

from __future__ import annotations

import torch

from harness.diffusion.load import load_unet
from harness.diffusion.slicing import HeadByHead
from harness.pages.recipe import Base


def test_heads_in_turn_say_and_learn_what_they_do_together():
    unet = load_unet(Base(model="pocket/sdxl"), "cpu", torch.float32)
    config, generator = unet.config, torch.Generator().manual_seed(0)
    latents = torch.randn((2, config.in_channels, 8, 8), generator=generator)
    words = torch.randn((2, 77, config.cross_attention_dim), generator=generator)
    pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
    conditions = {
        "text_embeds": torch.randn((2, pooled), generator=generator),
        "time_ids": torch.full((2, 6), 64.0),
    }
    found = []
    for processor in (None, HeadByHead()):
        if processor is not None:
            unet.set_attn_processor(processor)
        seen = words.clone().requires_grad_()
        out = unet(latents, torch.tensor([10, 900]), seen, added_cond_kwargs=conditions).sample
        out.square().mean().backward()
        found.append((out.detach(), seen.grad))
    (out, gradient), (other, others) = found
    assert torch.allclose(out, other, atol=1e-5)
    assert float((gradient - others).norm()) <= 1e-5 * float(gradient.norm())
