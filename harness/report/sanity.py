"""A sanity card → a document and a table for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.text import Text

from harness.metrics.licence import Answer, Licence, Response
from harness.metrics.sanity_card import SUMMARIES, SanityCard
from harness.records import Score, column_of
from harness.report.numbers import cell
from harness.report.terminal import Terminal, new_table


def card_document(
    benchmark: str, card: SanityCard, licences: Mapping[str, Licence]
) -> dict[str, Any]:
    return {
        "benchmark": benchmark,
        "silent": [[name, damage] for name, each in licences.items() for damage in each.missed],
        "treatments": {name: SUMMARIES[name] for name in card.damages},
        "metrics": [
            {
                **score.model_dump(mode="json"),
                "licence": str(licences[column_of(score.metric)]),
                "treatments": {
                    name: asdict(card.answers[score.metric, name]) for name in card.damages
                },
            }
            for score in card.metrics
        ],
    }


def print_card(
    benchmark: str, card: SanityCard, licences: Mapping[str, Licence], console: Terminal
) -> None:
    """Write the card as a table: what each damage does to each metric, where it is sure; then which
    metrics may judge, and why others may not."""
    table = new_table(
        f"{benchmark} · sanity card",
        "real pictures, then the change that each damage brings: ▼ worse, ▲ better, · not sure",
    )
    table.padding = (0, 0)
    table.add_column("metric", style="bold", no_wrap=True)
    table.add_column("real", justify="right", no_wrap=True)
    for name in card.damages:
        table.add_column(name.replace("-", "\n"), justify="right")
    for score in card.metrics:
        cells = [_words(card.answers[score.metric, name]) for name in card.damages]
        arrow = "↑" if score.higher_is_better else "↓"
        table.add_row(f"{score.metric} {arrow}", _real(score), *cells)
    console.print(table)
    may = [metric for metric, each in licences.items() if each.state == "licensed"]
    console.print(Text("may judge: ", "bold"), ", ".join(may) or "none", sep="")
    for metric, each in licences.items():
        if each.state != "licensed":
            console.print(Text(metric, "bold"), f" may not: {each}", sep="")


_MARKS: dict[Response, str] = {"worse": "▼", "better": "▲", "none": "·", "unavailable": "–"}


def _real(score: Score) -> str:
    return "–" if score.value is None else cell(score).split(" [")[0]


def _words(answer: Answer) -> str:
    mark = _MARKS[answer.response]
    if answer.delta is None or answer.response not in ("worse", "better"):
        return mark
    return f"{mark}\n{short_change(answer.delta)}"


def short_change(change: float) -> str:
    """Return a change in at most six signs where it is below ten thousand."""
    return f"{change:+.0f}" if abs(change) >= 10 else f"{change:+.2g}".replace("0.", ".", 1)
