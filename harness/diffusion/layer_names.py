"""The names of a layer of SDXL: in diffusers, in Stability's own code, and in adapter files.

Strings alone; no weights. A layer of a text encoder goes without the `text_model.` that one
release of transformers puts before it and another leaves out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PARTS = ("unet", "text_encoder", "text_encoder_2")
_SHORT = {"text_encoder": ("te1", "clip_l"), "text_encoder_2": ("te2", "clip_g")}
_TEXT = "text_model."
_BEFORE = (
    "",
    "unet.",
    "base_model.model.",
    "base_model.model.unet.",
    "unet.base_model.model.",
    "diffusion_model.",
)
"""Possible prefixes of the diffusers name of a UNet layer."""
_OUTSIDE = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}


@dataclass(frozen=True)
class Blocks:
    """The blocks of a UNet: their layers on the way down and up, and which hold attention."""

    down: tuple[int, ...]
    up: tuple[int, ...]
    has_attention: tuple[bool, ...]
    """Which up blocks hold attention; it moves the number of their upsampler by one."""


SDXL = Blocks(down=(2, 2, 2), up=(3, 3, 3), has_attention=(True, True, False))


def blocks_of(config: Mapping[str, Any]) -> Blocks:
    """Return the blocks of the UNet of a diffusers configuration."""
    kinds = config["up_block_types"]
    layers = config["layers_per_block"]
    down = tuple(layers) if isinstance(layers, list | tuple) else (layers,) * len(kinds)
    up = tuple(count + 1 for count in reversed(down))
    return Blocks(down, up, tuple("Attn" in kind for kind in kinds))


def ldm_name(name: str, blocks: Blocks) -> str:
    """Return the name of a UNet layer in Stability's own code, such as `input_blocks.4.1.…`."""
    if name in _OUTSIDE:
        return _OUTSIDE[name]
    side, *rest = name.split(".")
    if side == "mid_block":
        kind, number, *inner = rest
        return _joined(f"middle_block.{2 * int(number) + (kind == 'attentions')}", kind, inner)
    block, kind, number, *inner = rest
    if side == "down_blocks":
        first = 1 + sum(count + 1 for count in blocks.down[: int(block)])
        if kind == "downsamplers":
            return f"input_blocks.{first + blocks.down[int(block)]}.0.op"
        block_name = f"input_blocks.{first + int(number)}"
    else:
        first = sum(blocks.up[: int(block)])
        if kind == "upsamplers":
            last = first + blocks.up[int(block)] - 1
            return f"output_blocks.{last}.{1 + blocks.has_attention[int(block)]}.conv"
        block_name = f"output_blocks.{first + int(number)}"
    return _joined(f"{block_name}.{int(kind == 'attentions')}", kind, inner)


def _joined(block_name: str, kind: str, inner: list[str]) -> str:
    if kind == "resnets":
        inner = [_RESNET[inner[0]], *inner[1:]]
    return ".".join([block_name, *inner])


def diffusers_name(part: str, name: str) -> str:
    """Return the name of a layer in our own files, with the `text_model.` that readers expect."""
    return f"{part}.{_whole(part, name)}"


def kohya_name(part: str, name: str, blocks: Blocks) -> str:
    """Return the name of a layer in files of sd-scripts, which user interfaces read too."""
    if part == "unet":
        return "lora_unet_" + _flat(ldm_name(name, blocks))
    return f"lora_{_SHORT[part][0]}_{_flat(_whole(part, name))}"


def own_layer(spelled: str) -> tuple[str, str] | None:
    """Return the part and the layer of a name in our own files."""
    part, _, name = spelled.partition(".")
    return (part, bare(name)) if part in PARTS and name else None


def bare(name: str) -> str:
    """Return a text encoder's layer without the `text_model.` that some releases put before."""
    return name.removeprefix(_TEXT)


def spellings(part: str, name: str, blocks: Blocks) -> list[str]:
    """Return every name that known files give to one layer."""
    if part == "unet":
        ldm = ldm_name(name, blocks)
        short = name.replace(".to_out.0", ".to_out")
        own = [name, short] if short != name else [name]
        return [
            *(start + each for start in _BEFORE for each in own),
            f"diffusion_model.{ldm}",
            f"model.diffusion_model.{ldm}",
            *(f"lora_unet_{_flat(each)}" for each in dict.fromkeys((ldm, name))),
        ]
    te, clip = _SHORT[part]
    whole = _whole(part, name)
    own = list(dict.fromkeys((name, whole, _old(name), _old(whole))))
    before = (f"{part}.", f"base_model.model.{part}.", f"{part}.base_model.model.")
    return [
        *(start + each for start in before for each in own),
        *(f"lora_{te}_{_flat(each)}" for each in dict.fromkeys((name, whole))),
        f"{clip}.transformer.{whole}",
        f"text_encoders.{clip}.transformer.{whole}",
    ]


def _whole(part: str, name: str) -> str:
    inside = part != "unet" and name != "text_projection"
    return _TEXT + name if inside else name


def _old(name: str) -> str:
    """Return the name of a text encoder's layer in the first files of diffusers."""
    for new, old in (
        ("q_proj", "to_q"),
        ("k_proj", "to_k"),
        ("v_proj", "to_v"),
        ("out_proj", "to_out"),
    ):
        name = name.replace(f"self_attn.{new}", f"self_attn.{old}")
    return name


def _flat(name: str) -> str:
    return name.replace(".", "_")
