"""Markdown of generated pages: a head that says so, cells, tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def head(title: str, source: str, text: str) -> str:
    """Return how a generated page begins."""
    note = f"<!-- Written by `python -m tools.reference` from {source}. Do not edit. -->"
    return f"# {title}\n\n{note}\n\n{text.strip()}\n"


def cell(text: str) -> str:
    """Return words on one line, with no sign that ends a cell."""
    return " ".join(text.split()).replace("|", "\\|")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a row of empty cells is left out."""
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    lines += [f"| {' | '.join(cell(each) for each in row)} |" for row in rows if any(row)]
    return "\n".join(lines) + "\n"
