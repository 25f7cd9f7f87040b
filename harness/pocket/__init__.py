"""The pocket world: a self-made miniature of the field that fits in the package.

`pocket/sdxl`, `pocket/clip`, … are ordinary model folders and load through the same code as
the real ones; only `locate` knows where they lie.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from harness.fingerprint import digest

PREFIX = "pocket/"
WEIGHTS = Path(__file__).parent / "weights"


def is_pocket(name: str) -> bool:
    return name.startswith(PREFIX)


def locate(name: str) -> str:
    """Return the folder of a `pocket/…` model, and any other name as it stands."""
    return str(WEIGHTS / name.removeprefix(PREFIX)) if is_pocket(name) else name


def pinned(name: str) -> dict[str, str]:
    """Return the digest that pins a pocket model; a real one is pinned by its revision."""
    return {"weights": _digest(name)} if is_pocket(name) else {}


@cache
def _digest(name: str) -> str:
    known: dict[str, str] = json.loads((WEIGHTS / "digests.json").read_text())
    folder = name.removeprefix(PREFIX) + "/"
    return digest(
        {path: value for path, value in known.items()
         if path.startswith(folder) and path.endswith((".safetensors", ".json", ".gz", ".txt"))}
    )  # fmt: skip
