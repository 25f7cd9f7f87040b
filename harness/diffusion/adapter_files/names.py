"""Whose layers a file changes: their parts, their blocks, and the base that has such layers."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.diffusion.anatomy import text_layers, unet_layers
from harness.diffusion.layer_names import SDXL, Blocks, bare, blocks_of, spellings
from harness.diffusion.shapes import texts_of, unet_of
from harness.pocket import locate

Shape = tuple[int, ...]
_TEXT = re.compile(
    r"^(?:lora|lycoris|oft)_te(?P<a>[123]?)_|^text_encoders?[._](?P<b>2|3)?|^clip_(?P<c>[lg])\."
    r"|^text_encoders\.(?P<d>clip_l|clip_g|t5\w*|qwen\w*)\.|^base_model\.model\.text_encoder(?P<e>_2)?"
)
_BEFORE = re.compile(
    r"^(?:base_model\.model\.)?(?:(?:lora|lycoris|oft)_(?:unet|transformer|te\d?)_"
    r"|(?:model\.)?diffusion_model\.|unet\.|transformer\.|prior\.|lycoris_|text_encoders?(?:_\d)?\."
    r"|clip_[lg]\.)?(?:base_model\.model\.)?"
)
_BLOCK = re.compile(r"(?:^|[._])((?:[a-z]+_)*[a-z]*(?:block|layer|refiner|resblock)s?)[._](\d+)")


@dataclass(frozen=True)
class Place:
    """Where a layer is in its model."""

    part: str
    name: str
    """As diffusers calls it where the base is known, else as the file does."""
    block: str


@dataclass(frozen=True)
class Family:
    """The kind of base that a file was made for, as far as its keys and shapes tell."""

    name: str
    because: str


UNKNOWN = Family("unknown", "no layer of a known base was recognized")


@cache
def table(model: str) -> Mapping[str, tuple[str, str]]:
    """Return part and layer of every name that files give to the layers of an SDXL base."""
    file = Path(locate(model)) / "unet" / "config.json"
    blocks: Blocks = SDXL
    if file.is_file():
        blocks = blocks_of(json.loads(file.read_text(encoding="utf-8")))
    layers = [("unet", each) for each in unet_layers(unet_of(model), 64, 64)]
    for part, shape in zip(("text_encoder", "text_encoder_2"), texts_of(model), strict=True):
        layers += [(part, each) for each in text_layers(shape)]
    return {
        spelled: (part, bare(each.name))
        for part, each in layers
        if each.name and each.kind in ("linear", "conv", "norm")
        for spelled in spellings(part, bare(each.name), blocks)
    }


def place_of(layer: str, known: Mapping[str, tuple[str, str]]) -> Place:
    """Return where a layer of a file is; `known` is the table of its base, or empty."""
    spelled = layer.replace("lycoris_unet_", "lora_unet_").replace("oft_unet_", "lora_unet_")
    if spelled in known:
        part, name = known[spelled]
        return Place(part, name, _block(name))
    part = _part(layer)
    name = _BEFORE.sub("", layer, count=1)
    return Place(part, name, _block(name))


def _part(layer: str) -> str:
    match = _TEXT.match(layer)
    if match is None:
        transformer = layer.startswith("transformer.") or _is_transformer(layer)
        return "transformer" if transformer else "unet"
    marks = {value for value in match.groups() if value}
    if marks & {"3"} or any(mark.startswith(("t5", "qwen")) for mark in marks):
        return "text_encoder_3"
    return "text_encoder_2" if marks & {"2", "g", "clip_g", "_2"} else "text_encoder"


def _is_transformer(layer: str) -> bool:
    return re.search(r"(double|single|joint)_(stream_)?(transformer_)?blocks", layer) is not None


def _block(name: str) -> str:
    if name.startswith(("mid_block", "middle_block")):
        return name.split(".")[0].split("_block")[0] + "_block"
    match = _BLOCK.search(name)
    return f"{match[1]}.{match[2]}" if match else "outside"


_SIGNS: tuple[tuple[str, str, str], ...] = (
    ("SD 3", r"joint_blocks", "it has joint blocks"),
    ("AuraFlow", r"joint_transformer_blocks", "it has joint transformer blocks"),
    ("Chroma", r"distilled_guidance_layer", "it has the distilled guidance of Chroma"),
    ("HunyuanVideo", r"double_blocks\.\d+\.(img|txt)_attn_(qkv|proj)", "its double blocks"),
    ("Qwen-Image", r"transformer_blocks[._]\d+[._]img_mlp", "its blocks have an image MLP"),
    ("Stable Cascade", r"lora_prior_unet", "it has Cascade's prior"),
    ("Anima", r"llm_adapter|blocks[._]\d+[._](self|cross)_attn[._](q|k|v)_proj", "as in Cosmos"),
    ("Wan", r"blocks[._]\d+[._](self|cross)_attn[._](q|k|v|o)\b", "its blocks are Wan's"),
    ("Lumina 2 or Z-Image", r"(noise|context)_refiner", "it has refiners before its layers"),
    ("Z-Image", r"\blayers[._]\d+[._]attention[._]to_q", "its layers attend as Z-Image's"),
    ("Lumina 2", r"\blayers[._]\d+[._]attn[._]to_q", "its layers attend as Lumina's"),
    ("Sana", r"transformer_blocks[._]\d+[._]ff[._]conv_", "its feed-forward has convolutions"),
    ("HunyuanDiT", r"blocks[._]\d+[._](attn1|skip_linear)", "its blocks are HunyuanDiT's"),
)
"""Words in keys that only one kind of base has; the first that is found counts."""
_FLUX = re.compile(r"(double_blocks|single_blocks|single_transformer_blocks)[._](\d+)")
_CROSS = re.compile(r"attn2[._]to_[kv]$")
_WIDTHS = {
    2048: ("SDXL", "its cross-attention reads 2,048 channels of text"),
    768: ("SD 1.5", "its cross-attention reads 768 channels of text"),
    1024: ("SD 2", "its cross-attention reads 1,024 channels of text"),
    128: ("pocket", "its cross-attention reads 128 channels of text"),
    1280: ("SDXL refiner", "its cross-attention reads 1,280 channels of text"),
}
_UNET = re.compile(r"(down|up|input|output|mid|middle)_blocks?[._]")


def family_of(inputs: Mapping[str, int | None]) -> Family:
    """Guess the base from the names of layers, each with the channels it reads where known."""
    names = list(inputs)
    if any(_UNET.search(name) for name in names):
        return _unet_family(inputs)
    for family, sign, because in _SIGNS:
        if any(re.search(sign, name) for name in names) and not (
            family == "HunyuanDiT" and any("transformer_blocks" in name for name in names)
        ):
            return Family(family, because)
    if any(_FLUX.search(name) for name in names):
        return _flux(names)
    if any("transformer_blocks" in name for name in names):
        return _transformer(inputs)
    return _text_family(names)


def _unet_family(inputs: Mapping[str, int | None]) -> Family:
    widths = Counter(
        width for name, width in inputs.items() if width and _CROSS.search(name)
    ).most_common(1)
    if widths and widths[0][0] in _WIDTHS:
        return Family(*_WIDTHS[widths[0][0]])
    if widths:
        return Family("unknown UNet", f"its cross-attention reads {widths[0][0]:,} channels")
    depth = max((int(n) for name in inputs for n in _depths(name)), default=0)
    if depth >= 2 or any(name.startswith(("lora_te2_", "text_encoder_2")) for name in inputs):
        return Family("SDXL", "its depth, or its second text encoder")
    return Family("unknown UNet", "no cross-attention layer tells its text encoder")


def _depths(name: str) -> Iterable[str]:
    return re.findall(r"transformer_blocks[._](\d+)", name)


def _flux(names: Iterable[str]) -> Family:
    last = dict.fromkeys(("double_blocks", "single_blocks", "single_transformer_blocks"), 0)
    for name in names:
        for word, number in _FLUX.findall(name):
            last[word] = max(last[word], int(number))
    singles = 1 + max(last["single_blocks"], last["single_transformer_blocks"])
    if any("to_qkv_mlp_proj" in name for name in names) or singles > 38:
        return Family("FLUX.2", f"double and single blocks, {singles} of these")
    return Family("FLUX.1", f"double and single blocks, {singles} of these")


def _transformer(inputs: Mapping[str, int | None]) -> Family:
    if any(re.search(r"add_[qkv]_proj", name) for name in inputs):
        return Family("SD 3", "its transformer blocks join text and image")
    widths = Counter(each for name, each in inputs.items() if each and name.endswith("to_q"))
    if widths and widths.most_common(1)[0][0] == 1152:
        return Family("PixArt", "transformer blocks of 1,152 channels")
    return Family("unknown transformer", "transformer blocks that many bases have")


def _text_family(names: Iterable[str]) -> Family:
    if any(name.startswith(("lora_te1_", "lora_te2_", "text_encoder_2")) for name in names):
        return Family("SDXL", "it changes two text encoders alone")
    if any(name.startswith("lora_te_") for name in names):
        return Family("SD 1.5 or 2", "it changes one text encoder alone")
    return UNKNOWN
