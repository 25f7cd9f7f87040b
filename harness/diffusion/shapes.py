"""The shape of an SDXL model: the figures of its configuration that set every layer's size.

Read from the configuration files of a base, or SDXL's own. No weight and no network library is
loaded.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.pocket import locate


@dataclass(frozen=True)
class UnetShape:
    """The shape of an SDXL UNet, level by level from the largest resolution."""

    channels: tuple[int, ...]
    resnets: int
    """ResNet blocks of a level on the way down; one more on the way up."""
    depths: tuple[int, ...]
    """Transformer blocks after each ResNet block of a level; 0 for a level without attention."""
    middle: int
    """Transformer blocks of the middle block."""
    heads: tuple[int, ...]
    context: int
    """Channels of the text embeddings."""
    added: int
    """Channels of the pooled text embedding and the time ids together."""
    ends: tuple[int, int]
    """Channels of the input and of the output."""


@dataclass(frozen=True)
class TextEncoderShape:
    """The shape of a CLIP text encoder."""

    width: int
    depth: int
    inner: int
    vocabulary: int
    heads: int
    projection: int = 0
    """Channels of its pooled output; 0 without a projection."""


@dataclass(frozen=True)
class VaeShape:
    """A VAE: its parameters, and the channels of encoder and decoder at full resolution."""

    parameters: int
    encoder: int
    decoder: int


SDXL = UnetShape(
    channels=(320, 640, 1280),
    resnets=2,
    depths=(0, 2, 10),
    middle=10,
    heads=(5, 10, 20),
    context=2048,
    added=2816,
    ends=(4, 4),
)
CLIP_L = TextEncoderShape(width=768, depth=12, inner=3072, vocabulary=49408, heads=12)
BIG_G = TextEncoderShape(
    width=1280, depth=32, inner=5120, vocabulary=49408, heads=20, projection=1280
)
SDXL_VAE = VaeShape(83_653_863, 128, 256)
SAMPLE_SIZE = 128
"""The side of the latents that SDXL was made for."""
SAMPLE_SIZES = {"stabilityai/sdxl-turbo": 64}
"""The same of the hub's bases that differ, so that nothing is downloaded to plan a run."""
VAE_LEVELS = 4
"""Levels of SDXL's VAE; each but the last halves the sides of the image."""


PIPELINE = "StableDiffusionXLPipeline"
"""What the index of an SDXL model names."""
_HALF = (".fp16.", ".bf16.")


@cache
def other_pipeline(model: str) -> str | None:
    """Return the pipeline of a base that is none of SDXL's; None where it is, or is not here."""
    file = Path(locate(model)) / "model_index.json"
    if not file.is_file():
        return None
    try:
        named = json.loads(file.read_text(encoding="utf-8")).get("_class_name")
    except (ValueError, AttributeError):  # loading it says what is wrong
        return None
    return None if named in (None, PIPELINE) else str(named)


def require_sdxl(model: str) -> None:
    """Refuse to train on a base whose pipeline is another."""
    if (other := other_pipeline(model)) is not None:
        raise UsageError(
            f"{model} is a {other}, and training takes SDXL alone",
            hint="a recipe that trains nothing may name it, with load for its adapters",
        )


@cache
def weights_of(model: str) -> int:
    """Return the bytes of a base's weights by the size of its files, those in half precision
    apart where there are others."""
    files = list(Path(locate(model)).glob("*/*.safetensors"))
    whole = [file for file in files if not any(mark in file.name for mark in _HALF)]
    return sum(file.stat().st_size for file in whole or files)


@cache
def unet_of(model: str) -> UnetShape:
    """Return the shape of a base's UNet; SDXL's own if the configuration is not here."""
    require_sdxl(model)
    config = _configuration(model, "unet")
    if config is None:
        return SDXL
    channels = tuple(config["block_out_channels"])
    depths = _spread(config["transformer_layers_per_block"], len(channels))
    attends = ["CrossAttn" in kind for kind in config["down_block_types"]]
    return UnetShape(
        channels=channels,
        resnets=config["layers_per_block"],
        depths=tuple(depth * has for depth, has in zip(depths, attends, strict=True)),
        middle=depths[-1],
        heads=_spread(config["attention_head_dim"], len(channels)),
        context=config["cross_attention_dim"],
        added=config["projection_class_embeddings_input_dim"],
        ends=(config["in_channels"], config["out_channels"]),
    )


@cache
def texts_of(model: str) -> tuple[TextEncoderShape, TextEncoderShape]:
    """Return the shapes of both text encoders of a base."""
    require_sdxl(model)
    first, second = (_configuration(model, part) for part in ("text_encoder", "text_encoder_2"))
    if first is None or second is None:
        return CLIP_L, BIG_G
    return _text(first, 0), _text(second, second["projection_dim"])


@cache
def vae_of(model: str) -> VaeShape:
    """Return the shape of a base's VAE; the size of its fp16 file gives its parameters."""
    config = _configuration(model, "vae")
    if config is None:
        return SDXL_VAE
    files = (Path(locate(model)) / "vae").glob("*.safetensors")
    first, second, *_ = config["block_out_channels"]
    return VaeShape(sum(file.stat().st_size for file in files) // 2, first, second)


@cache
def image_size(model: str) -> int:
    """Return the side in pixels of the images that a base was made for, as its pipeline takes it.

    Latents of the UNet's `sample_size`, enlarged as often as the VAE halves an image.
    """
    unet, vae = _configuration(model, "unet"), _configuration(model, "vae")
    latents = SAMPLE_SIZES.get(model, SAMPLE_SIZE) if unet is None else unet["sample_size"]
    levels = VAE_LEVELS if vae is None else len(vae["block_out_channels"])
    return int(latents) << (levels - 1)


def _configuration(model: str, part: str) -> dict[str, Any] | None:
    file = Path(locate(model)) / part / "config.json"
    if not file.is_file():
        return None
    config: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return config


def _spread(value: int | list[int], count: int) -> tuple[int, ...]:
    return (value,) * count if isinstance(value, int) else tuple(value)


def _text(config: dict[str, Any], projection: int) -> TextEncoderShape:
    return TextEncoderShape(
        width=config["hidden_size"],
        depth=config["num_hidden_layers"],
        inner=config["intermediate_size"],
        vocabulary=config["vocab_size"],
        heads=config["num_attention_heads"],
        projection=projection,
    )
