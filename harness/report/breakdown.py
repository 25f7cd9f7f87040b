"""One result's scores by suite and tag, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.decisions.breakdown import GroupScore
from harness.report.numbers import ranged
from harness.report.terminal import Terminal, new_table


@dataclass(frozen=True)
class Grouped:
    """Groups of prompts across, metrics down."""

    groups: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    """Each metric with a cell a group."""


def by_group(scores: Sequence[GroupScore]) -> Grouped:
    """Return scores as the cells of a table."""
    groups = tuple(dict.fromkeys(score.group for score in scores))
    cells = {(score.metric, score.group): score for score in scores}
    rows = [
        (metric, tuple(_cell(cells.get((metric, group))) for group in groups))
        for metric in dict.fromkeys(score.metric for score in scores)
    ]
    return Grouped(groups, tuple(rows))


def _cell(score: GroupScore | None) -> str:
    if score is None:
        return "–"
    return f"{score.value:.3g}" if score.ends is None else ranged(score.value, *score.ends)


def print_groups(scores: Sequence[GroupScore], console: Terminal) -> None:
    """Write scores by suite and by tag as a table for a terminal."""
    grouped = by_group(scores)
    table = new_table("by suite and tag")
    table.add_column("metric", style="bold", no_wrap=True)
    for group in grouped.groups:
        table.add_column(group, justify="right")
    for metric, cells in grouped.rows:
        table.add_row(metric, *cells)
    console.print(table)
