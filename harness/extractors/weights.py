"""What to say where a network's weights are not to be had."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError

from safetensors import SafetensorError

from harness.errors import MissingPrerequisite

UNLOADABLE = (OSError, RuntimeError, ValueError, SafetensorError, UnpicklingError)
"""What libraries raise where weights are absent, damaged, of another shape, or would run code."""
FILES = {".bin", ".ckpt", ".onnx", ".pt", ".pth", ".safetensors"}
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
    said = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
    return MissingPrerequisite(f"{what} {name} cannot be loaded: {said}", hint=_help(name, fetch))


def _help(name: str, fetch: str | None) -> str:
    place, source = Path(name), _SOURCES.get(Path(name).name)
    if source is not None and not place.exists():
        return f"`curl --create-dirs -L -o '{name}' '{source}'`"
    if place.is_absolute() or name.startswith(".") or place.suffix in FILES:
        return f"correct the path {name}"
    return f"`{fetch or f'hf download {name}'}`"
