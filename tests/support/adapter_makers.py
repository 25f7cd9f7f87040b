"""Adapter files as other trainers write them: their names, their shapes, their metadata."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

Arrays = dict[str, NDArray[Any]]
QUERY = ("down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q", 640, 640)
KEY = ("down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k", 640, 2048)
FAR = ("up_blocks.0.attentions.1.transformer_blocks.9.attn2.to_v", 1280, 2048)
WORDS = ("text_model.encoder.layers.3.self_attn.q_proj", 1280, 1280)
LDM = {
    QUERY[0]: "input_blocks.4.1.transformer_blocks.0.attn1.to_q",
    KEY[0]: "input_blocks.4.1.transformer_blocks.0.attn2.to_k",
    FAR[0]: "output_blocks.1.1.transformer_blocks.9.attn2.to_v",
}
"""Three layers of SDXL's UNet in Stability's words, counted by hand."""


def numbers(name: str, *shape: int) -> NDArray[np.float32]:
    """Return numbers that belong to a name, so that equal names are equal layers."""
    seed = np.random.default_rng(sum(map(ord, name)))
    return np.asarray(seed.standard_normal(shape) * 0.1, np.float32)


def pair(name: str, out: int, into: int, rank: int) -> tuple[Any, Any]:
    """Return up and down of a LoRA."""
    return numbers(name + " up", out, rank), numbers(name + " down", rank, into)


def kohya(rank: int = 4, alpha: float = 2.0, ldm: bool = True, text: bool = True) -> Arrays:
    """Return SDXL layers as sd-scripts writes them."""
    tensors: Arrays = {}
    layers = [(f"lora_unet_{(LDM[n] if ldm else n)}", n, o, i) for n, o, i in (QUERY, KEY, FAR)]
    layers += [(f"lora_te2_{WORDS[0]}", *WORDS)] if text else []
    for spelled, name, out, into in layers:
        key = spelled.replace(".", "_")
        tensors[f"{key}.lora_up.weight"], tensors[f"{key}.lora_down.weight"] = pair(
            name, out, into, rank
        )
        tensors[f"{key}.alpha"] = np.array(alpha, np.float32)
    return tensors


def dotted(
    name_of: Callable[[str], str], ends: tuple[str, str], rank: int = 4, fold: float = 1.0
) -> Arrays:
    """Return SDXL layers under dotted names; `fold` is what a missing alpha would scale by."""
    tensors: Arrays = {}
    for name, out, into in (QUERY, KEY, FAR):
        up, down = pair(name, out, into, rank)
        tensors[name_of(name) + ends[0]], tensors[name_of(name) + ends[1]] = up * fold, down
    return tensors


PEFT = (".lora_B.weight", ".lora_A.weight")


def lycoris(kind: str, alpha: float = 2.0) -> Arrays:
    """Return SDXL layers as LyCORIS writes them for sd-scripts."""
    tensors: Arrays = {}
    for name, out, into in (QUERY, KEY, FAR):
        key = "lora_unet_" + LDM[name].replace(".", "_")
        for role, shape in _shapes(kind, out, into).items():
            tensors[f"{key}.{role}"] = numbers(f"{name} {role}", *shape)
        tensors[f"{key}.alpha"] = np.array(alpha, np.float32)
        if kind == "ia3":
            tensors[f"{key}.on_input"] = np.array(1)
            del tensors[f"{key}.alpha"]
        if kind == "full":
            del tensors[f"{key}.alpha"]
    return tensors


def _shapes(kind: str, out: int, into: int) -> dict[str, tuple[int, ...]]:
    return {
        "loha": {
            "hada_w1_a": (out, 3),
            "hada_w1_b": (3, into),
            "hada_w2_a": (out, 3),
            "hada_w2_b": (3, into),
        },
        "lokr": {"lokr_w1": (8, 8), "lokr_w2_a": (out // 8, 3), "lokr_w2_b": (3, into // 8)},
        "oft": {"oft_blocks": (out // 4, 4, 4)},
        "ia3": {"weight": (into,)},
        "full": {"diff": (out, into)},
        "dora": {
            "lora_up.weight": (out, 3),
            "lora_down.weight": (3, into),
            "dora_scale": (out, 1),
        },
    }[kind]


def save(tensors: Mapping[str, Any], file: Path, metadata: Mapping[str, str] | None = None) -> Path:
    save_file(dict(tensors), file, dict(metadata or {}))
    return file


def raw(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    """Return the bytes of a file with this header, whatever is in it."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data
