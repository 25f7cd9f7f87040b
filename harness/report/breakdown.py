"""One result's scores by suite and tag, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from harness.decisions.breakdown import Part
from harness.report.numbers import ranged


@dataclass(frozen=True)
class Grouped:
    """Groups of prompts across, metrics down."""

    groups: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    """Each metric with a cell a group."""


def by_group(parts: Sequence[Part]) -> Grouped:
    """Return parts as the cells of a table."""
    groups = tuple(dict.fromkeys(part.group for part in parts))
    found = {(part.metric, part.group): part for part in parts}
    rows = [
        (metric, tuple(_part(found.get((metric, group))) for group in groups))
        for metric in dict.fromkeys(part.metric for part in parts)
    ]
    return Grouped(groups, tuple(rows))


def _part(part: Part | None) -> str:
    if part is None:
        return "–"
    return f"{part.value:.3g}" if part.ends is None else ranged(part.value, *part.ends)


def print_groups(parts: Sequence[Part], console: Console) -> None:
    """Write scores by suite and by tag as a table for a terminal."""
    grouped = by_group(parts)
    table = Table(title="by suite and tag", title_justify="left")
    table.add_column("metric", style="bold", no_wrap=True)
    for group in grouped.groups:
        table.add_column(group, justify="right")
    for metric, cells in grouped.rows:
        table.add_row(metric, *cells)
    console.print(table)
