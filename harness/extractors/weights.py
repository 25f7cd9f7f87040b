"""Networks with all of their weights, and what to say where these are not to be had."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from safetensors import SafetensorError

from harness.errors import MissingPrerequisite

UNLOADABLE = (OSError, RuntimeError, ValueError, SafetensorError, UnpicklingError)
"""What libraries raise where weights are absent, damaged, of another shape, or would run code."""
FILES = {".bin", ".ckpt", ".onnx", ".pt", ".pth", ".safetensors"}
_UNREAD = re.compile(r"(^|\.)(position_ids$|pooler\.|classifier\.)")
"""Weights that a file may have beside a network's own: of heads, and counters of places."""
_NAMED = 3
"""How many weights an error names of each kind."""
_LAION = "https://github.com/christophschuhmann/improved-aesthetic-predictor/raw/main"
_SOURCES = {
    "sac+logos+ava1-l14-linearMSE.pth": f"{_LAION}/sac%2Blogos%2Bava1-l14-linearMSE.pth",
    "ava+logos-l14-linearMSE.pth": f"{_LAION}/ava%2Blogos-l14-linearMSE.pth",
    "ava+logos-l14-reluMSE.pth": f"{_LAION}/ava%2Blogos-l14-reluMSE.pth",
    "sa_0_4_vit_l_14_linear.pth": (
        "https://github.com/LAION-AI/aesthetic-predictor/raw/main/sa_0_4_vit_l_14_linear.pth"
    ),
    "aesthetic_predictor_v2_5.pth": (
        "https://github.com/discus0434/aesthetic-predictor-v2-5/raw/main/models/"
        "aesthetic_predictor_v2_5.pth"
    ),
    "HPS_v2_compressed.pt": ("https://huggingface.co/xswu/HPSv2/resolve/main/HPS_v2_compressed.pt"),
    "HPS_v2.1_compressed.pt": (
        "https://huggingface.co/xswu/HPSv2/resolve/main/HPS_v2.1_compressed.pt"
    ),
}
"""Where files lie that are known by their names alone."""


def absent(what: str, name: str, error: Exception, fetch: str | None = None) -> MissingPrerequisite:
    """Return the error that makes a metric unavailable, with the command that would help."""
    said = (str(error).strip().splitlines() or [type(error).__name__])[0][:240]
    return MissingPrerequisite(f"{what} {name} cannot be loaded: {said}", hint=_help(name, fetch))


def _help(name: str, fetch: str | None) -> str:
    place, source = Path(name), _SOURCES.get(Path(name).name)
    if source is not None and not place.exists():
        return f"`curl --create-dirs -L -o '{name}' '{source}'`"
    if place.is_absolute() or name.startswith(".") or place.suffix in FILES:
        return f"correct the path {name}"
    return f"`{fetch or f'hf download {name}'}`"


def load_whole(kind: Any, path: str, **options: Any) -> Any:
    """Return a model of transformers or diffusers, each of whose weights stood in its file.

    Both libraries leave what a file lacks at random, or without a value, and go on. Raises
    OSError, so that whoever names the model also says how to get it.
    """
    model, told = kind.from_pretrained(
        path, output_loading_info=True, ignore_mismatched_sizes=True, **options
    )
    wrong = _misfits(told)
    if wrong:
        raise OSError(f"its file and its config.json do not fit: {wrong}")
    return model


def _misfits(told: Mapping[str, Iterable[Any]]) -> str:
    """Return which weights are missing, of another shape, or foreign; nothing if all fit."""
    misfits = {
        "missing": told["missing_keys"],
        "of another shape": (each[0] for each in told["mismatched_keys"]),
        "foreign": (each for each in told["unexpected_keys"] if not _UNREAD.search(each)),
    }
    named = {how: sorted(set(names)) for how, names in misfits.items()}
    return ", ".join(_count(how, names) for how, names in named.items() if names)


def _count(how: str, names: list[str]) -> str:
    shown = ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
    return f"{len(names)} weight{'s are' if len(names) > 1 else ' is'} {how} ({shown})"
