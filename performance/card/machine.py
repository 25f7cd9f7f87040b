"""What is known of the machine before anything is measured, and what is missing on it.

It can be imported where every package is missing.
"""

from __future__ import annotations

import platform
import subprocess
import tomllib
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
NEEDED = {
    "accelerate": "accelerate",
    "diffusers": "diffusers",
    "filelock": "filelock",
    "huggingface_hub": "huggingface-hub",
    "numpy": "numpy",
    "peft": "peft",
    "PIL": "pillow",
    "pydantic": "pydantic",
    "ruamel.yaml": "ruamel.yaml",
    "safetensors": "safetensors",
    "scipy": "scipy",
    "tokenizers": "tokenizers",
    "torch": "torch",
    "transformers": "transformers",
}
"""Modules without which nothing can be measured, and their packages."""
WANTED = {
    "open_clip": "open-clip-torch (the real vocabulary, and the part `features`)",
    "torchvision": "torchvision (the same)",
    "torch_fidelity": "torch-fidelity (the part `features`)",
    "prodigyopt": "prodigyopt (the DreamBooth recipe)",
    "bitsandbytes": "bitsandbytes (8-bit AdamW; without it AdamW stands in)",
    "pytest": "pytest (the part `tests`)",
    "pytest_socket": "pytest-socket (the part `tests`)",
}
"""Modules without which something is skipped, and what."""
NAMED = ("torch", "diffusers", "transformers", "peft", "accelerate", "numpy", "triton")


def absent(modules: dict[str, str]) -> list[str]:
    """Return the packages whose module is not here."""
    return [package for module, package in modules.items() if not has(module)]


def has(module: str) -> bool:
    """Return whether a module can be imported; nothing is imported but its parents."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def register_plugins(folder: Path) -> Path | None:
    """Make the entry points of `harness` known where it is not installed, as from a bare checkout.

    Return the folder that must be on the path, or None if the package is installed.
    """
    try:
        version("harness")
    except PackageNotFoundError:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        info = folder / f"harness-{project['version']}.dist-info"
        info.mkdir(parents=True)
        metadata = f"Metadata-Version: 2.1\nName: harness\nVersion: {project['version']}\n"
        (info / "METADATA").write_text(metadata, encoding="utf-8")
        lines = []
        for group, points in project["entry-points"].items():
            lines += [f"[{group}]", *(f"{name} = {target}" for name, target in points.items())]
        (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
        return folder
    return None


def described(is_dry: bool) -> dict[str, Any]:
    """Return the card, the versions and the commit."""
    import torch

    commit = _said("git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12")
    on_card = torch.cuda.is_available() and not is_dry
    card = torch.cuda.get_device_name() if on_card else f"dry run on a {platform.machine()} CPU"
    memory = torch.cuda.get_device_properties(0).total_memory if on_card else None
    query = ("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
    return {
        "card": card,
        "memory_bytes": memory,
        "versions": {
            "python": platform.python_version(),
            **{name: _version(name) for name in NAMED},
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version() if on_card else None,
            "driver": _said(*query) if on_card else None,
        },
        "commit": commit and commit.removesuffix("-dirty"),
        "dirty": commit and commit.endswith("-dirty"),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _said(*words: str) -> str | None:
    """Return what a program prints; None if it is not here or fails."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip().split("\n")[0] or None
