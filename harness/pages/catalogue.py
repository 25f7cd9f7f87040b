"""Names and summaries of everything that a page can name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness import plugins
from harness.errors import HarnessError
from harness.pages.folders import available


def catalogue(kinds: Iterable[str]) -> dict[str, list[dict[str, str]]]:
    """Return name and summary of everything of each kind."""
    return {kind: _plugins(kind) if kind in plugins.GROUPS else _pages(kind) for kind in kinds}


def _plugins(group: str) -> list[dict[str, str]]:
    summaries = {word: spec.summary for word, spec in plugins.specs(group).items()}
    for each in plugins.broken(group):
        summaries[each.word] = f"{each.message} ({each.hint})"
    return [{"name": word, "summary": summaries[word]} for word in plugins.words(group)]


def _pages(kind: str) -> list[dict[str, str]]:
    entries = []
    for name, file in available(kind.removesuffix("s")).items():
        try:
            summary = _one_line_summary(file) or _summary(file)
        except HarnessError as error:
            summary = f"does not hold: {str(error).splitlines()[0]}"
        entries.append({"name": name, "summary": summary})
    return entries


def _summary(file: Path) -> str:
    from harness.pages.yaml import read_page  # slow to import, and rarely needed

    return str(read_page(file).data.get("summary", ""))


def _one_line_summary(file: Path) -> str | None:
    """Return a summary that stands on one plain line, without parsing the whole page."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    value = next((line[8:].strip() for line in lines if line.startswith("summary:")), "")
    if len(value) > 1 and value[0] == value[-1] == '"' and "\\" not in value:
        return value[1:-1]
    plain = value and value[0].isalnum() and " #" not in value and ": " not in value
    return value if plain else None
