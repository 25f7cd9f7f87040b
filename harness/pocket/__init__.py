"""The pocket world: a self-made miniature of the field that fits in the package.

`pocket/sdxl`, `pocket/clip`, … are ordinary model folders and load through the same code as
the real ones; only `locate` knows where they lie.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path, PurePosixPath

from harness.errors import StoreError, UsageError
from harness.fingerprint import digest, digest_input

PREFIX = "pocket/"
WEIGHTS = Path(__file__).parent / "weights"


def is_pocket(name: str) -> bool:
    return name.startswith(PREFIX)


def is_model(name: str) -> bool:
    """Return whether a text is the name of a model of the pocket, or of a part of one."""
    return is_pocket(name) and name.removeprefix(PREFIX) in _folders()


@cache
def _folders() -> frozenset[str]:
    files = json.loads((WEIGHTS / "digests.json").read_text())
    parents = (folder for file in files for folder in PurePosixPath(file).parents)
    return frozenset(str(folder) for folder in parents if folder.name)


def locate(name: str) -> str:
    """Return the folder of a `pocket/…` model, and any other name as it stands."""
    return str(WEIGHTS / name.removeprefix(PREFIX)) if is_pocket(name) else name


def pinned(name: str | None) -> dict[str, str]:
    """Return the digest that pins a model of the pocket, a folder or a file; a hub's has none."""
    if not name:
        return {}
    if is_pocket(name):
        return {"weights": _digest(name)}
    place = Path(name)
    files = sorted(place.rglob("*")) if place.is_dir() else [place]
    content = [[file.name, digest_input(file)] for file in files if file.is_file()]
    return {"weights": digest(content)} if content else {}


def require_whole(name: str) -> None:
    """Refuse a model of the pocket whose files are not those that were installed."""
    for path, digest_then in _files_of(name).items():
        file = WEIGHTS / path
        if not file.is_file() or digest_input(file) != digest_then:
            raise StoreError(
                "is not as it was installed",
                where=str(file),
                hint="install the package again, with the same version of harness",
            )


@cache
def _digest(name: str) -> str:
    return digest(_files_of(name))


def _files_of(name: str) -> dict[str, str]:
    """Return the digests of the files that make a model."""
    known: dict[str, str] = json.loads((WEIGHTS / "digests.json").read_text())
    folder = name.removeprefix(PREFIX) + "/"
    digests = {
        path: value
        for path, value in known.items()
        if path.startswith(folder) and path.endswith((".safetensors", ".json", ".gz", ".txt"))
    }
    if not digests:
        models = sorted({path.split("/")[0] for path in known if "/" in path})
        raise UsageError(f"there is no model {name}", hint=f"pocket models: {', '.join(models)}")
    return digests
