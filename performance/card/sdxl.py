"""SDXL with random weights, made on the device in a moment: real shapes, or the pocket's.

Only configuration files are written, for what counts layers by them and for the noise schedule.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from harness.diffusion.load import TextEncoders
from harness.pocket import locate

Model = TypeVar("Model", bound=nn.Module)
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
TEXTS: dict[str, tuple[Any, dict[str, Any]]] = {
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
PADS = {"tokenizer": "<|endoftext|>", "tokenizer_2": "!"}
SCHEDULE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
SPREAD = 0.02
"""The standard deviation of random weights."""


def write_base(folder: Path, *, is_tiny: bool = False) -> Path:
    """Write the configuration of SDXL, or of the pocket's, and the vocabulary if it is here."""
    if is_tiny:
        return _copy_pocket(folder)
    write_configs(folder)
    for part, pad in PADS.items():
        try:
            write_vocabulary(folder / part, pad)
        except ImportError:  # open_clip is not here, or something that it needs
            write_letters(folder / part, pad)
    return folder


def _copy_pocket(folder: Path) -> Path:
    def weights(_: str, names: list[str]) -> list[str]:
        return [name for name in names if name.endswith(".safetensors")]

    shutil.copytree(locate("pocket/sdxl"), folder, ignore=weights)
    return folder


def write_configs(folder: Path) -> None:
    """Write the configuration of every model of SDXL, and of its noise schedule."""
    with torch.device("meta"):
        UNet2DConditionModel(**UNET).save_config(folder / "unet")
        AutoencoderKL(**VAE).save_config(folder / "vae")
    for part, (kind, options) in TEXTS.items():
        config = CLIPTextConfig(**options, architectures=[kind.__name__])
        config.save_pretrained(folder / part)
    EulerDiscreteScheduler(**SCHEDULE).save_pretrained(folder / "scheduler")


def write_vocabulary(folder: Path, pad: str) -> None:
    """Write CLIP's real vocabulary, which open_clip carries, in the form of a tokenizer."""
    import open_clip

    packed = Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
    with gzip.open(packed, "rt", encoding="utf-8") as text:
        merges = text.read().split("\n")[1 : 49152 - 256 - 2 + 1]
    letters = list(open_clip.tokenizer.bytes_to_unicode().values())
    words = [*letters, *(letter + "</w>" for letter in letters)]
    words += ["".join(merge.split()) for merge in merges]
    _write_tokenizer(folder, words, merges, pad)


def write_letters(folder: Path, pad: str) -> None:
    """Write a made-up vocabulary of CLIP's size: letters, and words that no text has."""
    letters = [chr(number) for number in range(ord("!"), ord("~") + 1)]
    words = [*letters, *(letter + "</w>" for letter in letters)]
    words += [f"<unused-{number}>" for number in range(49406 - len(words))]
    _write_tokenizer(folder, words, [], pad)


def _write_tokenizer(folder: Path, words: list[str], merges: list[str], pad: str) -> None:
    folder.mkdir(parents=True)
    words = [*words, "<|startoftext|>", "<|endoftext|>"]
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


def unet(base: Path, device: str, dtype: torch.dtype) -> UNet2DConditionModel:
    """Return the UNet as `load_unet` would: frozen, channels last."""
    config = UNet2DConditionModel.load_config(base / "unet")
    model = filled(lambda: UNet2DConditionModel.from_config(config), device, dtype)
    return model.to(memory_format=torch.channels_last).requires_grad_(False)


def vae(base: Path, device: str, dtype: torch.dtype = torch.float32) -> AutoencoderKL:
    """Return the VAE as `load_vae` would: frozen, channels last."""
    config = AutoencoderKL.load_config(base / "vae")
    model = filled(lambda: AutoencoderKL.from_config(config), device, dtype)
    return model.to(memory_format=torch.channels_last).eval().requires_grad_(False)


def text_encoders(base: Path, device: str, dtype: torch.dtype) -> TextEncoders:
    """Return both text encoders with their tokenizers, frozen."""
    models = []
    for part, kind in (
        ("text_encoder", CLIPTextModel),
        ("text_encoder_2", CLIPTextModelWithProjection),
    ):
        config = CLIPTextConfig.from_pretrained(base / part)
        model = filled(lambda kind=kind, config=config: kind(config), device, dtype)
        models.append(model.eval().requires_grad_(False))
    first, second = (CLIPTokenizer.from_pretrained(base / part) for part in PADS)
    return TextEncoders(models[0], models[1], (first, second))


def pipeline(base: Path, device: str, dtype: torch.dtype) -> StableDiffusionXLPipeline:
    """Return the whole pipeline as `load_pipeline` would, with the VAE in fp32."""
    encoders = text_encoders(base, device, dtype)
    whole = StableDiffusionXLPipeline(
        vae=vae(base, device),
        text_encoder=encoders.first,
        text_encoder_2=encoders.second,
        tokenizer=encoders.tokenizers[0],
        tokenizer_2=encoders.tokenizers[1],
        unet=unet(base, device, dtype).eval(),
        scheduler=EulerDiscreteScheduler.from_pretrained(base / "scheduler"),
    )
    whole.set_progress_bar_config(disable=True)
    return whole


def filled(make: Callable[[], Model], device: str, dtype: torch.dtype) -> Model:
    """Return a model with random weights in `dtype`, which is never held in another."""
    with torch.device("meta"):
        model = make()
    model = model.to(dtype).to_empty(device=device)
    generator = torch.Generator(device).manual_seed(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name and name.endswith("weight"):
                weight.fill_(1)
            else:
                weight.normal_(0, SPREAD, generator=generator)
        for name, buffer in model.named_buffers():
            if not name.endswith("position_ids"):
                raise ValueError(f"the buffer {name} has no known content")
            buffer.copy_(torch.arange(buffer.numel(), device=device).view_as(buffer))
    return model
