"""The keys of adapter files: which layer each belongs to, and what it is there.

An adapter is of one kind a layer. Its kind follows from the tensors that the layer has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_ADAPTER = r"(?:\.(?!weight$|bias$|alpha$)[^.]+)?"
"""The name of an adapter, which PEFT writes into some keys, as `default`."""
ROLES = {
    "down": rf"\.lora_down\.weight|\.lora_A{_ADAPTER}\.weight|[._]lora\.down\.weight"
    r"|\.lora_linear_layer\.down\.weight|\.lora_A|\.lora\.A",
    "up": rf"\.lora_up\.weight|\.lora_B{_ADAPTER}\.weight|[._]lora\.up\.weight"
    r"|\.lora_linear_layer\.up\.weight|\.lora_B|\.lora\.B",
    "mid": r"\.lora_mid\.weight",
    "lora_bias": rf"\.lora_B{_ADAPTER}\.bias",
    "alpha": r"\.alpha",
    "scalar": r"\.scalar",
    "magnitude": r"\.dora_scale|\.lora_magnitude_vector(?:\.[^.]+){0,2}",
    **{
        name: rf"\.{name}{_ADAPTER}"
        for name in (
            *("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2"),
            *("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b"),
            *("lokr_t1", "lokr_t2", "ia3_l", "oft_r"),
        )
    },
    "oft_blocks": r"\.oft_blocks|\.oft_diag",
    "rescale": r"\.rescale",
    "oft_R": rf"\.oft_R{_ADAPTER}\.weight",
    "on_input": r"\.on_input",
    "diff": r"\.diff",
    "diff_b": r"\.diff_b",
    "w_norm": r"\.w_norm",
    "b_norm": r"\.b_norm",
    **{f"glora_{name}": rf"\.{name}\.weight" for name in ("a1", "a2", "b1", "b2")},
    "weight": r"\.weight",
}
"""How the key of each tensor of a layer ends; the first that fits counts."""
_KEY = re.compile(
    "(?P<layer>.+?)(?:" + "|".join(f"(?P<{role}>{end})" for role, end in ROLES.items()) + ")"
)
KINDS = {
    "lora": ({"down", "up"}, {"mid", "alpha", "magnitude", "scalar", "lora_bias"}),
    "loha": (
        {"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"},
        {"hada_t1", "hada_t2", "alpha", "magnitude", "scalar"},
    ),
    "oft": ({"oft_blocks"}, {"rescale", "alpha", "magnitude"}),
    "oft-input": ({"oft_R"}, {"alpha"}),
    "ia3": ({"weight", "on_input"}, {"alpha"}),
    "ia3-peft": ({"ia3_l"}, {"alpha"}),
    "full": ({"diff"}, {"diff_b", "alpha", "magnitude"}),
    "bias": ({"diff_b"}, {"alpha"}),
    "norm": ({"w_norm"}, {"b_norm", "alpha"}),
    "glora": ({"glora_a1", "glora_a2", "glora_b1", "glora_b2"}, {"alpha"}),
}
"""What a layer of each kind must have and what it may have; LoKr has several forms."""
NAMES = {
    "lora": "LoRA",
    "dora": "DoRA",
    "loha": "LoHa",
    "lokr": "LoKr",
    "oft": "OFT",
    "boft": "BOFT",
    "oft-input": "OFT (PEFT)",
    "ia3": "(IA)³",
    "ia3-peft": "(IA)³ (PEFT)",
    "full": "full difference",
    "bias": "difference of a bias",
    "norm": "difference of a norm",
    "glora": "GLoRA",
}
"""Each kind as people write it."""


def parse(key: str) -> tuple[str, str] | None:
    """Return the layer and the role of a key; None if it has none that is known."""
    match = _KEY.fullmatch(key.replace(".processor.", "."))
    if match is None:
        return None
    return match["layer"], next(role for role in ROLES if match[role])


def kind_of(roles: Iterable[str]) -> str:
    """Return the kind of a layer that has these tensors; raise ValueError if none fits."""
    here = set(roles)
    if any(role.startswith("lokr_") for role in here):
        return _lokr(here)
    for kind, (needed, allowed) in KINDS.items():
        if needed <= here <= needed | allowed:
            return kind
    for needed, _ in KINDS.values():
        own = needed & here - {"weight"}
        if own and not needed <= here:
            missing = ", ".join(sorted(needed - here))
            raise ValueError(f"has {', '.join(sorted(own))} alone: {missing} is missing")
    raise ValueError(f"has {', '.join(sorted(here))}, which is no kind of adapter")


def _lokr(here: set[str]) -> str:
    for half in ("lokr_w1", "lokr_w2"):
        pair = {f"{half}_a", f"{half}_b"}
        if half not in here and not pair <= here:
            missing = ", ".join(sorted(pair - here)) if pair & here else half
            raise ValueError(f"has {', '.join(sorted(here))} alone: {missing} is missing")
    return "lokr"
