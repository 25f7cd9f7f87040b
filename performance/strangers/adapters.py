"""Odd adapter files by name: broken heads, misleading words, settings that would take long."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

KEY = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_k"
ENDS = (".lora_A.weight", ".lora_B.weight")
SETTINGS = "lora_adapter_metadata"

HEADS = {
    "nested": b"[" * 100_000,
    "list": b"[]",
    "null": b"null",
    "bytes": bytes(range(256)),
    "half": b'{"\\ud800.lora": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}',
    "twice": b'{"a": 1, "a": 2}',
    "no-shape": b'{"a.lora": {"dtype": "F32", "data_offsets": [0, 4]}}',
    "negative": b'{"a.lora": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}',
    "overflow": b'{"a.lora": {"dtype": "F32", "shape": [4294967296, 4294967296, 4294967296],'
    b' "data_offsets": [0, 0]}}',
    "offsets": b'{"a.lora": {"dtype": "F32", "shape": [1], "data_offsets": [99, 103]}}',
    "metadata-number": b'{"__metadata__": {"a": 1}}',
}

SETTINGS_SAID = {
    "regex": {"unet.alpha_pattern": {"(a+)+$": 2}, "unet.lora_alpha": 2},
    "regex-stars": {"unet.alpha_pattern": {".*" * 900 + "z": 2}, "unet.lora_alpha": 2},
    "regex-many": {"unet.alpha_pattern": {f"{at}.*": 2 for at in range(9_000)}},
    "pattern-list": {"unet.alpha_pattern": [1, 2]},
    "pattern-word": {"unet.alpha_pattern": "to_q"},
    "pattern-value": {"unet.alpha_pattern": {"to_k": "much"}},
    "alpha-word": {"unet.lora_alpha": "much"},
    "alpha-infinite": {"unet.lora_alpha": float("inf")},
    "alpha-large": {"unet.lora_alpha": 10**400},
    "list": [1],
    "number": 7,
}


def safetensors(
    tensors: Mapping[str, tuple[str, tuple[int, ...], bytes]],
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """Return a file of these tensors: their type, shape and bytes, whether they agree or not."""
    head: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    data = b""
    for name, (kind, shape, content) in tensors.items():
        ends = [len(data), len(data) + len(content)]
        head[name] = {"dtype": kind, "shape": list(shape), "data_offsets": ends}
        data += content
    return _with_head(json.dumps(head).encode()) + data


def small(rank: int = 2, width: int = 160, kind: str = "F32", size: int = 4) -> dict[str, Any]:
    """Return the two tensors of one layer."""
    return {
        KEY + ENDS[0]: (kind, (rank, width), b"\0" * rank * width * size),
        KEY + ENDS[1]: (kind, (width, rank), b"\0" * rank * width * size),
    }


def odd_adapters(with_heavy: bool = True) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the bytes of each file.

    Without `with_heavy`, those that take a second to read are left out.
    """
    if with_heavy:
        yield "many", safetensors({f"lora.{at}": ("F32", (0,), b"") for at in range(120_000)})
        yield "long-key", safetensors({"lora" + "k" * 900_000: ("F32", (0,), b"")})
    whole = safetensors(small())
    yield "whole", whole
    for share in (0.001, 0.1, 0.5, 0.99):
        yield f"cut-{share}", whole[: int(len(whole) * share)]
    yield "empty", b""
    yield "zeros", b"\0" * 5000
    yield "pickle", b"PK\x03\x04" + b"\x80\x02}q\0." * 40
    yield "head-long", (2**62).to_bytes(8, "little") + b"{}"
    yield "head-minus", b"\xff" * 8 + b"{}"
    for name, head in HEADS.items():
        yield f"head-{name}", _with_head(head) + b"\0" * 8
    for kind, size in (
        ("F16", 2),
        ("BF16", 2),
        ("F64", 8),
        ("I64", 8),
        ("BOOL", 1),
        ("F8_E4M3", 1),
        ("U8", 1),
        ("C64", 8),
        ("F4", 1),
        ("X", 4),
    ):
        yield f"type-{kind}", safetensors(small(kind=kind, size=size))
    yield "rank-zero", safetensors(small(rank=0))
    yield "alone", safetensors(dict([*small().items()][:1]))
    alpha = {f"{KEY}.alpha": ("F32", (3,), b"\0" * 12)}
    yield "alpha-many", safetensors(small() | alpha)
    for name, said in SETTINGS_SAID.items():
        yield f"said-{name}", safetensors(small(), {SETTINGS: json.dumps(said)})
    yield "said-nested", safetensors(small(), {SETTINGS: "[" * 100_000})
    yield "said-broken", safetensors(small(), {SETTINGS: "{"})
    yield "said-long", safetensors(small(), {SETTINGS: " " * 9_000_000 + "{}"})


def _with_head(head: bytes) -> bytes:
    return struct.pack("<Q", len(head)) + head
