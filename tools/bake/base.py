"""The base: its vocabulary, its autoencoder, and its UNet with both text encoders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

from harness.pocket import vocabulary
from tools.bake.drawings import FACES, QUALITY, SEED, Bake, words_of
from tools.bake.fit import Schedule

_PLAIN_ENGLISH = (
    "a an the of in on at with and or to from by for is are was as it his her their this that "
    "portrait anime style character painting photo drawing fighting space city night forest "
    "looking at viewer upper body masterpiece best quality worst low normal bad anatomy blurry "
    "very beautiful standing sitting running smiling young man woman people two three"
)


def bake_words(bake: Bake) -> None:
    """Learn the vocabulary and write it beside both text models."""
    texts = [text for each in bake.rows[:6000] for text in (each.caption, ", ".join(each.tags))]
    merges = vocabulary.learn_merges([*texts, *([_PLAIN_ENGLISH, QUALITY] * 40)])
    for folder in ("sdxl/tokenizer", "sdxl/tokenizer_2", "clip"):
        vocabulary.write(bake.out / folder, merges)
    for folder in ("sdxl/tokenizer", "sdxl/tokenizer_2"):
        path = bake.out / folder
        (path / "bpe.txt.gz").unlink()
        tokenizer = CLIPTokenizer(
            vocab=str(path / "vocab.json"), merges=str(path / "merges.txt"), model_max_length=77
        )
        tokenizer.save_pretrained(path)


def bake_vae(bake: Bake) -> None:
    """Train the autoencoder: 64 px to 8 × 8 × 16, mean square error and a little KL."""
    torch.manual_seed(SEED)
    vae = AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=16,
        sample_size=64,
        norm_num_groups=8,
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        block_out_channels=[16, 32, 48, 64],
        layers_per_block=1,
    )

    def loss_of(step: int, rng: np.random.Generator) -> Tensor:
        images = bake.images(rng.integers(0, len(bake.rows), 16))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            posterior = vae.encode(images).latent_dist
            decoded = vae.decode(posterior.sample()).sample
        mean, logvar = posterior.mean.float(), posterior.logvar.float()
        divergence = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
        loss: Tensor = F.mse_loss(decoded.float(), images) + 1e-4 * divergence
        return loss

    bake.train("vae", {"vae": vae}, loss_of, Schedule(5200, 2.5e-3, 200, ema=0.998))
    latents = _encode(vae, bake, range(0, FACES, 20))
    scale = 1 / float(latents.std())
    vae.register_to_config(scaling_factor=scale, force_upcast=False)
    vae.half().save_pretrained(bake.out / "sdxl" / "vae")


@torch.no_grad()
def _encode(vae: AutoencoderKL, bake: Bake, rows: range) -> Tensor:
    index = np.arange(len(bake.rows))[rows.start : rows.stop : rows.step]
    batches = np.array_split(index, max(1, len(index) // 64))
    return torch.cat([vae.encode(bake.images(batch)).latent_dist.mean for batch in batches])


def load_vae(out: Path) -> AutoencoderKL:
    return AutoencoderKL.from_pretrained(out / "sdxl" / "vae", dtype=torch.float32).eval()


def text_model(kind: type[nn.Module], vocabulary_size: int) -> Any:
    """Return a small CLIP text encoder; SDXL reads its last layer but one."""
    config = CLIPTextConfig(
        vocab_size=vocabulary_size,
        hidden_size=64,
        intermediate_size=192,
        projection_dim=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=77,
        bos_token_id=vocabulary_size - 2,
        eos_token_id=vocabulary_size - 1,
        pad_token_id=vocabulary_size - 1,
        hidden_act="gelu",
    )
    return kind(config)


def _unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=16,
        out_channels=16,
        block_out_channels=[96, 160],
        down_block_types=["CrossAttnDownBlock2D"] * 2,
        up_block_types=["CrossAttnUpBlock2D"] * 2,
        layers_per_block=1,
        transformer_layers_per_block=1,
        attention_head_dim=[3, 5],
        cross_attention_dim=128,
        use_linear_projection=True,
        norm_num_groups=16,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + 64,
    )


def _scheduler() -> EulerDiscreteScheduler:
    return EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        steps_offset=1,
        timestep_spacing="leading",
    )


@dataclass(frozen=True)
class BaseModels:
    """The parts of the base that learn, its tokenizer, and its noise."""

    tokenizer: CLIPTokenizer
    first: Any
    second: Any
    """The text encoders."""
    unet: UNet2DConditionModel
    kept: Tensor
    """Of an image, the share of its variance that is left at each time: ᾱ."""

    def loss(self, clean: Tensor, texts: list[str], shown: Tensor) -> Tensor:
        """Return the loss of predicting noise; `shown` is 0 where a text is left out."""
        ids = self.tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt")
        one = self.first(ids.input_ids, output_hidden_states=True)
        two = self.second(ids.input_ids, output_hidden_states=True)
        words = torch.cat([one.hidden_states[-2], two.hidden_states[-2]], dim=-1)
        noise = torch.randn(clean.shape)
        times = torch.randint(0, 1000, (len(clean),))
        signal = self.kept[times].view(-1, 1, 1, 1)
        sizes = torch.tensor([64.0, 64, 0, 0, 64, 64]).repeat(len(clean), 1)
        predicted = self.unet(
            signal.sqrt() * clean + (1 - signal).sqrt() * noise,
            times,
            words * shown.view(-1, 1, 1),
            added_cond_kwargs={
                "text_embeds": two.text_embeds * shown.view(-1, 1),
                "time_ids": sizes,
            },
        ).sample
        ratio = (self.kept / (1 - self.kept))[times]
        weight = ratio.clamp(max=5) / ratio
        each: Tensor = (predicted - noise).square().mean((1, 2, 3)) * weight
        return each.mean()


def bake_base(bake: Bake) -> None:
    """Train the UNet and both text encoders together on faces in many mixed styles."""
    torch.manual_seed(SEED + 1)
    vae = load_vae(bake.out)
    latents = (_encode(vae, bake, range(FACES)) * vae.config.scaling_factor).half()
    tokenizer = CLIPTokenizer.from_pretrained(bake.out / "sdxl" / "tokenizer")
    first = text_model(CLIPTextModel, len(tokenizer))
    second = text_model(CLIPTextModelWithProjection, len(tokenizer))
    unet, scheduler = _unet(), _scheduler()
    kept = torch.cumprod(1 - scheduler.betas, 0)
    base = BaseModels(tokenizer, first, second, unet, kept)

    def loss_of(step: int, rng: np.random.Generator) -> Tensor:
        index = rng.integers(0, FACES, 32)
        texts = [words_of(bake.rows[i], rng) for i in index]
        shown = torch.from_numpy(rng.random(32) > 0.1).float()
        return base.loss(latents[index].float(), texts, shown)

    modules: dict[str, nn.Module] = {"unet": unet, "first": first, "second": second}
    bake.train("base", modules, loss_of, Schedule(5200, 8e-4, 300, ema=0.9985))
    StableDiffusionXLPipeline(
        vae=vae.half(),
        text_encoder=first.half(),
        text_encoder_2=second.half(),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=unet.half(),
        scheduler=scheduler,
        force_zeros_for_empty_prompt=True,
        add_watermarker=False,
    ).save_pretrained(bake.out / "sdxl")
