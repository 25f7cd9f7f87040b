"""What there is to choose from, in words."""

from __future__ import annotations

from collections.abc import Iterable

from harness import pages, plugins
from harness.errors import HarnessError


def catalogue(kinds: Iterable[str]) -> dict[str, list[dict[str, str]]]:
    """Return name and summary of everything of each kind."""
    return {kind: _plugins(kind) if kind in plugins.GROUPS else _pages(kind) for kind in kinds}


def _plugins(group: str) -> list[dict[str, str]]:
    return [{"name": name, "summary": spec.summary} for name, spec in plugins.specs(group).items()]


def _pages(kind: str) -> list[dict[str, str]]:
    entries = []
    for name, file in pages.available(kind.removesuffix("s")).items():
        try:
            summary = str(pages.read(file).data.get("summary", ""))
        except HarnessError as error:
            summary = f"does not hold: {str(error).splitlines()[0]}"
        entries.append({"name": name, "summary": summary})
    return entries
