"""SDXL at its real size with random weights, for tests of names, counts, memory and speed."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, UNet2DConditionModel
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from harness.pages.recipe import Recipe

UNET = {
    "sample_size": 128,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "layers_per_block": 2,
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "latent_channels": 4,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "sample_size": 1024,
    "scaling_factor": 0.13025,
}
TEXTS = {
    "text_encoder": (
        CLIPTextModel,
        {
            "hidden_size": 768,
            "intermediate_size": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "projection_dim": 768,
            "hidden_act": "quick_gelu",
        },
    ),
    "text_encoder_2": (
        CLIPTextModelWithProjection,
        {
            "hidden_size": 1280,
            "intermediate_size": 5120,
            "num_hidden_layers": 32,
            "num_attention_heads": 20,
            "projection_dim": 1280,
            "hidden_act": "gelu",
        },
    ),
}


def write_sdxl(folder: Path) -> Path:
    """Write a base as `from_pretrained` expects it: real shapes, real vocabulary, random bf16."""
    with torch.device("meta"):
        unet, vae = UNet2DConditionModel(**UNET), AutoencoderKL(**VAE)
        texts = {part: kind(CLIPTextConfig(**words)) for part, (kind, words) in TEXTS.items()}
    for part, model in {"unet": unet, "vae": vae}.items():
        model.save_config(folder / part)
        fill(model, folder / part / "diffusion_pytorch_model.safetensors")
    for part, model in texts.items():
        model.config.save_pretrained(folder / part)
        fill(model, folder / part / "model.safetensors")
    EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"
    ).save_pretrained(folder / "scheduler")
    for part, pad in (("tokenizer", "<|endoftext|>"), ("tokenizer_2", "!")):
        vocabulary(folder / part, pad)
    return folder


def fill(model: torch.nn.Module, file: Path) -> None:
    """Write random weights for a model that is only shapes; one block of noise serves all."""
    noise = (0.02 * torch.randn(2**20, generator=torch.Generator().manual_seed(0))).bfloat16()
    state = {}
    for name, value in model.state_dict().items():
        size = value.numel()
        is_norm = "norm" in name and name.endswith("weight")
        random = noise.repeat(math.ceil(size / len(noise)))[:size].view(value.shape).clone()
        state[name] = torch.ones_like(random) if is_norm else random
    save_file(state, file, metadata={"format": "pt"})


def vocabulary(folder: Path, pad: str) -> None:
    """Write CLIP's real vocabulary, which open_clip carries, in the form of a tokenizer."""
    packed = Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
    with gzip.open(packed, "rt", encoding="utf-8") as text:
        merges = text.read().split("\n")[1 : 49152 - 256 - 2 + 1]
    letters = list(open_clip.tokenizer.bytes_to_unicode().values())
    words = [*letters, *(letter + "</w>" for letter in letters)]
    words += ["".join(merge.split()) for merge in merges] + ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir()
    numbers = {word: number for number, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(numbers), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges), encoding="utf-8")
    settings = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": 77,
        "pad_token": pad,
        "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def write_pictures(folder: Path, count: int, size: tuple[int, int]) -> Path:
    """Write captioned noise."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text("a naruto anime character with red hair")
    return folder


def full_size(base: Path, pictures: Path, train: dict[str, Any]) -> Recipe:
    """Return a recipe on the base with other figures of `train`."""
    page = {
        "name": "full-size",
        "summary": "-",
        "base": {"model": str(base)},
        "data": {"source": {"use": "folder", "path": str(pictures)}},
        "train": train,
    }
    return Recipe.model_validate(page, strict=False)
