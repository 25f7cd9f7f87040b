"""How an answer reaches the terminal: a JSON document, a table, or an HTML report."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from harness.api import Workspace
    from harness.pipeline.run import Outcome

WIDTH = 150
"""Columns of a table where stdout is a file or a pipe."""


def show(document: Any) -> None:
    """Print one JSON document."""
    print(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False))


def console() -> Console:
    """Return what prints tables on stdout."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=WIDTH)


def write_report(
    file: Path,
    boards: Any,
    workspace: Workspace,
    title: str,
    seed_limit: int = 1,
    parts: Sequence[Any] = (),
) -> None:
    """Write leaderboards as an HTML report, with the sanity card of each benchmark."""
    from harness import api
    from harness.files import write_text
    from harness.report.page import html

    cards = {
        board.benchmark: card
        for board in boards
        if (card := api.read_card(workspace.reports, board.benchmark)) is not None
    }
    text = html(
        boards,
        lambda result, step: api.folder_of(result, step, workspace.store),
        title,
        seed_limit,
        cards,
        parts,
    )
    write_text(file, text)
    print(f"wrote {file}", file=sys.stderr)


def with_others(documents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the first document; where there are more, they stand in its field `others`."""
    first, *others = documents
    return {**first, **({"others": others} if others else {})}


def outcome_document(outcome: Outcome) -> dict[str, Any]:
    """Return what a run made, as JSON."""
    return {
        "recipe": outcome.result.recipe,
        "benchmark": outcome.result.benchmark,
        "signature": outcome.result.signature,
        "path": str(outcome.path),
        "made": list(outcome.made),
        "reused": list(outcome.reused),
    }


def print_outcomes(outcomes: list[Outcome], as_json: bool) -> None:
    """Print the results that a run wrote."""
    if as_json:
        return show({"results": [outcome_document(outcome) for outcome in outcomes]})
    from rich.console import Console

    from harness.report.text import outcome_text

    for outcome in outcomes:
        Console(highlight=False).print(outcome_text(outcome), markup=False)
