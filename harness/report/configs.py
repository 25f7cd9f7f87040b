"""What became of each figure of another trainer's config, as a table and as a document."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.pages.foreign.figures import Fate
from harness.pages.foreign.imported import Imported
from harness.pages.foreign.page import short
from harness.report.terminal import Terminal, new_table

SAID = {
    "kept": "kept",
    "changed": "kept, means another thing",
    "assumed": "its default",
    "no-counterpart": "no counterpart",
}


def import_document(imported: Imported, file: Path | None) -> dict[str, Any]:
    """Return an import as a JSON document."""
    return {
        "trainer": imported.trainer,
        "recipe": imported.recipe.name,
        "file": None if file is None else str(file),
        "page": imported.page,
        "figures": [
            {
                "figure": fate.figure,
                "given": _in_json(fate.given),
                "fate": fate.kind,
                "field": fate.field,
                "value": fate.value,
                "note": fate.note or None,
            }
            for fate in imported.fates
        ],
    }


def _in_json(value: Any) -> Any:
    """Return a figure as JSON takes it: a date, and what is no finite number, as its words."""
    if isinstance(value, Mapping):
        return {str(key): _in_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_in_json(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return short(value)
    return value if isinstance(value, str | int | float | None) else str(value)


def print_fates(imported: Imported, console: Terminal) -> None:
    """Write a table with a row for each figure: first what is not simply kept, last what is off."""
    title = f"{imported.recipe.name} · from {imported.trainer}"
    table = new_table(title, in_words(imported.fates))
    for name in ("figure", "given", "fate", "here", "why"):
        table.add_column(name, overflow="fold")
    order = ["changed", "assumed", "no-counterpart", "kept"]
    for fate in sorted(imported.fates, key=lambda each: (each.is_off, order.index(each.kind))):
        given = "–" if fate.given is None else short(fate.given)
        here = "–" if fate.field is None else _here(fate)
        table.add_row(fate.figure, given, SAID[fate.kind], here, fate.note)
    console.print(table)


def _here(fate: Fate) -> str:
    return fate.field or "" if fate.value is None else f"{fate.field} {short(fate.value)}"


def in_words(fates: Sequence[Fate]) -> str:
    """Return how many figures had each fate, in one line."""
    counts = Counter(fate.kind for fate in fates)
    off = sum(fate.is_off for fate in fates)
    return (
        f"{counts['kept']} kept, {counts['changed']} kept with another meaning or value,"
        f" {counts['assumed']} defaults of that trainer written out,"
        f" {counts['no-counterpart'] - off} without a counterpart, {off} off"
    )
