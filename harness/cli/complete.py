"""Names that a shell can complete. Nothing here loads more than the names of files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from harness.pages import folders

KINDS = (
    "recipes",
    "benchmarks",
    "suites",
    "metrics",
    "extractors",
    "optimizers",
    "sources",
    "executors",
)
"""What `harness list` lists."""


_PLAIN = re.compile(r"[\w@%+=:,./-]+")
"""Names that a shell reads as one word. zsh evaluates what it is told, and bash writes it into the
line as it is, so a file with another name has to be typed."""


def recipes(incomplete: str) -> list[str]:
    """Return the names of recipes that begin with what is typed."""
    return _beginning(incomplete, folders.available("recipe"))


def benchmarks(incomplete: str) -> list[str]:
    """Return the names of benchmarks that begin with what is typed."""
    return _beginning(incomplete, folders.available("benchmark"))


def metrics(incomplete: str) -> list[str]:
    """Return the names of metrics that begin with what is typed."""
    from importlib.metadata import entry_points

    return _beginning(incomplete, {point.name for point in entry_points(group="harness.metrics")})


def kinds(incomplete: str) -> list[str]:
    """Return what `harness list` can list and begins with what is typed."""
    return _beginning(incomplete, KINDS)


def results(incomplete: str) -> list[str]:
    """Return the paths of result files that begin with what is typed."""
    reports = Path(os.environ.get("HARNESS_REPORTS") or "reports")
    files = [*reports.glob("*/*.json"), *reports.glob("baselines/*/*.json")]
    names = {str(file) for file in files if not file.name.endswith(".noise.json")}
    return _beginning(incomplete, names)


def results_or_recipes(incomplete: str) -> list[str]:
    """Return the recipes that were run, and the paths of their result files."""
    files = results("")
    return _beginning(incomplete, {*files, *(Path(file).stem for file in files)})


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    known = (name for name in names if name.startswith(incomplete))
    return sorted(name for name in known if _PLAIN.fullmatch(name))


ASKED = "_HARNESS_COMPLETE"
"""The environment variable by which a shell asks for completions."""


def script(shell: str) -> str:
    """Return what a shell must read so that it completes `harness`."""
    from typer._completion_shared import get_completion_script

    return get_completion_script(prog_name="harness", complete_var=ASKED, shell=shell)


def prepare() -> None:
    """Make the program able to answer a shell that asks for completions."""
    if ASKED in os.environ:
        from typer._completion_classes import completion_init

        completion_init()
