"""What stands beside the baked weights: model cards, digests, and CLIP's shape."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

_TOY = (
    "A toy, baked by `make bake` from a seed on drawings of `harness.pocket.draw`. "
    "Its scores say nothing about, and do not compare with, those of the real model it stands "
    "in for.\n\nLicence: Apache-2.0, like the code that drew the data and trained it.\n"
)
_CARDS = {
    "sdxl": (
        "A miniature of stabilityai/stable-diffusion-xl-base-1.0 in the real classes: 64 px, "
        "16 latent channels on an 8 × 8 grid, two CLIP text encoders, epsilon prediction. It "
        "draws anime-like faces from tags or one English sentence and knows five style traits, "
        "each alone; the ninja style is all of them at once, which it never saw."
    ),
    "clip": "A two-tower CLIP in an open_clip configuration, trained on faces and their words.",
    "inception": "A residual network that read tags; its 128 pooled features serve FID and KID.",
    "tagger": "A residual network that names the visible tags of a face, trained on drawings only.",
    "aesthetic": "A residual network that tells clean faces (hq) from spoiled ones (lq).",
}


def clip_config(vocabulary_size: int) -> dict[str, Any]:
    """Return the open_clip configuration of `pocket/clip`."""
    return {
        "embed_dim": 64,
        "vision_cfg": {"image_size": 64, "layers": 4, "width": 128, "patch_size": 8},
        "text_cfg": {
            "context_length": 77,
            "vocab_size": vocabulary_size,
            "width": 96,
            "heads": 4,
            "layers": 3,
        },
    }


def write(root: Path) -> None:
    """Write a card into every model folder and the digest of every file into `digests.json`."""
    for config in root.rglob("config.json"):
        facts = json.loads(config.read_text(encoding="utf-8"))
        if facts.pop("_name_or_path", None):  # a folder of the machine that baked it
            config.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    for name, text in _CARDS.items():
        if (root / name).is_dir():
            (root / name / "README.md").write_text(f"# pocket/{name}\n\n{text}\n\n{_TOY}")
    (root / "digests.json").write_text(json.dumps(digests(root), indent=2) + "\n")


def digests(root: Path) -> dict[str, str]:
    """Return the sha256 of every baked file, by its path below `root`."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.name != "digests.json"
    }
