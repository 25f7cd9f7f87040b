"""A sanity card → a document and a table for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.text import Text

from harness.decisions.sanity import SanityCard, undetected
from harness.metrics.licence import Answer, Licence, Response
from harness.report.numbers import cell
from harness.report.terminal import Terminal, new_table


def card_document(card: SanityCard, licences: Mapping[str, Licence]) -> dict[str, Any]:
    return {
        "benchmark": card.benchmark,
        "silent": [list(pair) for pair in undetected(licences)],
        "treatments": dict(card.treatments),
        "metrics": [
            {
                **score.model_dump(mode="json"),
                "licence": {**asdict(licences[score.metric]), "words": str(licences[score.metric])},
                "treatments": {
                    name: asdict(card.cells[score.metric, name]) for name in card.treatments
                },
            }
            for score in card.metrics
        ],
    }


def print_card(card: SanityCard, licences: Mapping[str, Licence], console: Terminal) -> None:
    """Write the card as a table: what each damage does to each metric, where it is sure; then which
    metrics may judge, and why others may not."""
    table = new_table(
        f"{card.benchmark} · sanity card",
        "real pictures, then the change that each damage brings: ▼ worse, ▲ better, · not sure",
    )
    table.padding = (0, 0)
    table.add_column("metric", style="bold", no_wrap=True)
    table.add_column("real", justify="right", no_wrap=True)
    for name in card.treatments:
        table.add_column(name.replace("-", "\n"), justify="right")
    for score in card.metrics:
        cells = [_words(card.cells[score.metric, name]) for name in card.treatments]
        arrow = "↑" if score.higher_is_better else "↓"
        table.add_row(f"{score.metric} {arrow}", cell(score).split(" [")[0], *cells)
    console.print(table)
    may = [metric for metric, each in licences.items() if each.state == "licensed"]
    console.print(Text("may judge: ", "bold"), ", ".join(may) or "none", sep="")
    for metric, each in licences.items():
        if each.state != "licensed":
            console.print(Text(metric, "bold"), f" may not: {each}", sep="")


_MARKS: dict[Response, str] = {"worse": "▼", "better": "▲", "none": "·", "unavailable": "–"}


def _words(answer: Answer) -> str:
    mark = _MARKS[answer.response]
    if answer.delta is None or answer.response not in ("worse", "better"):
        return mark
    return f"{mark}\n{_short(answer.delta)}"


def _short(change: float) -> str:
    """Return a change in at most six signs where it is below ten thousand."""
    return f"{change:+.0f}" if abs(change) >= 10 else f"{change:+.2g}".replace("0.", ".", 1)
