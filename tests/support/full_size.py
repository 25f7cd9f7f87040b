"""SDXL at its real size with random weights, for tests of names, counts, memory and speed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from card.sdxl import TEXTS, UNET, VAE, write_base
from diffusers import AutoencoderKL, UNet2DConditionModel
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPTextConfig

from harness.pages.recipe import Recipe


def write_sdxl(folder: Path) -> Path:
    """Write a base as `from_pretrained` expects it: real shapes, real vocabulary, random bf16."""
    write_base(folder)
    with torch.device("meta"):
        unet, vae = UNet2DConditionModel(**UNET), AutoencoderKL(**VAE)
        texts = {part: kind(CLIPTextConfig(**words)) for part, (kind, words) in TEXTS.items()}
    for part, model in {"unet": unet, "vae": vae}.items():
        fill(model, folder / part / "diffusion_pytorch_model.safetensors")
    for part, model in texts.items():
        fill(model, folder / part / "model.safetensors")
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
