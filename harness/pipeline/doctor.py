"""What this machine has, and what it would need for the rest."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from harness import plugins
from harness.errors import HarnessError
from harness.extractors.pretrained import FOLDER, digest_of
from harness.extractors.specs import LITE0
from harness.fingerprint import digest_file
from harness.pipeline.installation import unusable_gpu
from harness.pocket import WEIGHTS

_NEEDED = (
    "torch",
    "torchvision",
    "diffusers",
    "transformers",
    "peft",
    "open-clip-torch",
    "timm",
    "torch-fidelity",
    "torchmetrics",
)


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    name: str
    ok: bool
    found: str
    advice: str | None = None
    needed: bool = True
    """Whether the pocket world needs it."""


def examine(store: Path) -> list[Finding]:
    """Look at Python, packages, plugins, weights, disk, device and optional parts."""
    findings = [Finding("python", sys.version_info >= (3, 11), sys.version.split()[0], "use 3.11+")]
    findings += [_package(name) for name in _NEEDED]
    findings += [*_plugins(), _weights(), _network(), _disk(store), _device()]
    findings += [
        _option("bitsandbytes", "optimizer adamw-8bit"),
        _option("prodigyopt", "optimizer prodigy"),
        _option("streamlit", "harness dashboard"),
        _option("evalica", "the dashboard's arena"),
        _option("duckdb", "harness curate"),
        _option("ray", "executor ray"),
        _option("fastapi", "serve"),
    ]
    return findings


def _package(name: str) -> Finding:
    try:
        return Finding(name, True, version(name))
    except PackageNotFoundError:
        return Finding(name, False, "not installed", "pip install -e .")


def _plugins() -> list[Finding]:
    """Return how many plugins there are, and one finding for each that is broken."""
    try:
        broken = [each for group in plugins.GROUPS for each in plugins.broken(group)]
        count = sum(len(plugins.words(group)) for group in plugins.GROUPS)
    except HarnessError as error:
        return [Finding("plugins", False, error.what, error.hint)]
    counted = f"{count} registered" + (f", {len(broken)} broken" if broken else "")
    return [
        Finding("plugins", True, counted),
        *(Finding(each.word, False, each.message, each.hint, needed=False) for each in broken),
    ]


def _weights() -> Finding:
    models = ("sdxl", "clip", "inception", "aesthetic", "tagger")
    absent = [name for name in models if not list((WEIGHTS / name).rglob("*.safetensors"))]
    state = "all five models" if not absent else f"missing: {', '.join(absent)}"
    return Finding("pocket weights", not absent, state, "make bake")


def _network() -> Finding:
    """Return whether the real network that ships is the one that was shipped."""
    file = FOLDER / LITE0
    found = digest_file(file) if file.is_file() else None
    state = "as shipped" if found == digest_of(LITE0) else "changed" if found else "missing"
    return Finding("lite0 weights", state == "as shipped", state, "install the package again")


def _disk(store: Path) -> Finding:
    place = store
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free / 1e9
    return Finding("disk", free > 1, f"{free:.0f} GB free at {place}", "free a gigabyte")


def _device() -> Finding:
    if find_spec("torch") is None:
        return Finding("device", False, "torch is not installed", "pip install -e .")
    import torch

    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory / 1e9
        return Finding("device", True, f"{torch.cuda.get_device_name(0)}, {memory:.0f} GB")
    if (unusable := unusable_gpu()) is not None:
        return Finding("device", False, unusable[0], unusable[1], needed=False)
    state = f"no CUDA; {os.cpu_count()} CPU cores: the pocket world only"
    return Finding("device", False, state, "real recipes want a GPU", needed=False)


def _option(name: str, use: str) -> Finding:
    there = find_spec(name) is not None
    state = f"for {use}"
    return Finding(name, there, state, f"pip install {name}", needed=False)
