"""A sanity card → a document and a table for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from harness.decisions.sanity import Cell, SanityCard
from harness.report.numbers import cell


def card_document(found: SanityCard, undetected: Sequence[tuple[str, str]]) -> dict[str, Any]:
    return {
        "benchmark": found.benchmark,
        "silent": [list(pair) for pair in undetected],
        "treatments": dict(found.treatments),
        "metrics": [
            {
                **score.model_dump(mode="json"),
                "treatments": {
                    name: asdict(found.cells[score.metric, name]) for name in found.treatments
                },
            }
            for score in found.metrics
        ],
    }


def print_card(found: SanityCard, undetected: Sequence[tuple[str, str]], console: Console) -> None:
    """Write the card as a table: what each damage does to each metric, where it is sure; then what
    a metric should have noticed, and did not."""
    table = Table(
        title=f"{found.benchmark} · sanity card",
        title_justify="left",
        caption_justify="left",
        caption="real pictures, then the change that each damage brings; · not sure",
    )
    table.add_column("metric", style="bold", no_wrap=True)
    table.add_column("real", justify="right", no_wrap=True)
    for name in found.treatments:
        table.add_column(name, justify="right")
    for score in found.metrics:
        cells = [_words(found.cells[score.metric, name]) for name in found.treatments]
        arrow = "↑" if score.higher_is_better else "↓"
        table.add_row(f"{score.metric} {arrow}", cell(score).split(" [")[0], *cells)
    console.print(table)
    for metric, treatment in undetected:
        console.print(f"[bold]{metric}[/] does not detect {treatment}: it may not judge here")


def _words(found: Cell) -> str:
    if found.response == "unavailable":
        return "–"
    return "·" if found.response == "none" else f"{found.response}\n{found.delta:+.3g}"
