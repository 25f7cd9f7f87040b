"""A sanity card → a document and a table for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.text import Text

from harness.decisions.sanity import Cell, SanityCard
from harness.report.numbers import cell
from harness.report.terminal import Terminal, new_table


def card_document(card: SanityCard, undetected: Sequence[tuple[str, str]]) -> dict[str, Any]:
    return {
        "benchmark": card.benchmark,
        "silent": [list(pair) for pair in undetected],
        "treatments": dict(card.treatments),
        "metrics": [
            {
                **score.model_dump(mode="json"),
                "treatments": {
                    name: asdict(card.cells[score.metric, name]) for name in card.treatments
                },
            }
            for score in card.metrics
        ],
    }


def print_card(card: SanityCard, undetected: Sequence[tuple[str, str]], console: Terminal) -> None:
    """Write the card as a table: what each damage does to each metric, where it is sure; then what
    a metric should have noticed, and did not."""
    table = new_table(
        f"{card.benchmark} · sanity card",
        "real pictures, then the change that each damage brings; · not sure",
    )
    table.add_column("metric", style="bold", no_wrap=True)
    table.add_column("real", justify="right", no_wrap=True)
    for name in card.treatments:
        table.add_column(name, justify="right")
    for score in card.metrics:
        cells = [_words(card.cells[score.metric, name]) for name in card.treatments]
        arrow = "↑" if score.higher_is_better else "↓"
        table.add_row(f"{score.metric} {arrow}", cell(score).split(" [")[0], *cells)
    console.print(table)
    for metric, treatment in undetected:
        said = f" does not detect {treatment}: it may not judge here"
        console.print(Text(metric, "bold"), said, sep="")


def _words(one: Cell) -> str:
    if one.response == "unavailable":
        return "–"
    return "·" if one.response == "none" else f"{one.response}\n{one.delta:+.3g}"
