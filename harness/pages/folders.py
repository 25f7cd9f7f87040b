"""Where pages are: the folders that hold them, and the file of a page by its name."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from harness.errors import UsageError

FOLDERS = {
    "recipe": "recipes",
    "benchmark": "prompts/benchmarks",
    "suite": "prompts/suites",
}


def roots() -> list[Path]:
    """Return the folders that may hold pages: here, the checkout, the installed package."""
    package = Path(__file__).parents[1]
    places = [Path.cwd(), package.parent, package / "shipped"]
    return list(dict.fromkeys(place for place in places if (place / "recipes").is_dir()))


def available(kind: str) -> dict[str, Path]:
    """Return every page of a kind by name; a page nearer to the user hides one further away."""
    files_by_name: dict[str, Path] = {}
    for root in [Path.cwd(), *roots()]:
        for file in sorted((root / FOLDERS[kind]).glob("*.yaml")):
            files_by_name.setdefault(file.stem, file)
    return files_by_name


def find(kind: str, name: str) -> Path:
    """Return the file of the page `name`, which may also be a path."""
    if name.endswith((".yaml", ".yml")):
        if not os.path.isfile(name):  # unlike Path.is_file, it bears names of any length
            raise UsageError(f"there is no file {name}", hint=f"`harness list {kind}s` lists them")
        return Path(name)
    known = available(kind)
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"`harness list {kind}s` lists them"
    raise UsageError(f"there is no {kind} called {name!r}", hint=hint)
