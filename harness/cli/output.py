"""How an answer reaches the terminal: a JSON document, a table, or an HTML report."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from harness.escaping import json_text, printable

if TYPE_CHECKING:
    from harness import Run
    from harness.report.terminal import Terminal

WIDTH = 150
"""Columns of a table where stdout is a file or a pipe and COLUMNS says nothing."""


def say(what: object, end: str = "\n", file: TextIO | None = None) -> None:
    """Print words, a stranger's among them: no sign of theirs is a command to the terminal."""
    print(printable(str(what)), end=end, file=file)


def show(document: Any) -> None:
    """Print one JSON document."""
    print(json_text(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)))


def console() -> Terminal:
    """Return what prints tables on stdout."""
    from harness.report.terminal import Terminal

    if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit():
        return Terminal()
    return Terminal(width=WIDTH)


def write_report(file: Path, text: str) -> None:
    """Write an HTML report, and say where on stderr."""
    from harness.files import write_text

    write_text(file, text)
    say(f"wrote {file}", file=sys.stderr)


def with_others(documents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the first document; where there are more, they stand in its field `others`."""
    first, *others = documents
    return {**first, **({"others": others} if others else {})}


def run_document(run: Run) -> dict[str, Any]:
    """Return what a run made, as JSON."""
    return {
        "recipe": run.result.recipe,
        "benchmark": run.result.benchmark,
        "signature": run.result.signature,
        "path": str(run.path),
        "made": list(run.made),
        "reused": list(run.reused),
        **({} if run.sweep is None else {"sweep": run.sweep.as_json()}),
    }


def print_runs(runs: Sequence[Run], as_json: bool) -> None:
    """Print the results that runs wrote, and those of their training seeds."""
    every = [each for one in runs for each in (one, *one.replicates)]
    if as_json:
        return show({"results": [run_document(run) for run in every]})
    for run in every:
        say(run)
