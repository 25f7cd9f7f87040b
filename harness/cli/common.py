"""What commands share: the program, the flags, and how errors and documents reach the terminal."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, ParamSpec, TypeVar

import typer

from harness.errors import HarnessError
from harness.pages.defaults import IN_WORDS

if TYPE_CHECKING:
    from rich.console import Console

    from harness.api import Workspace
    from harness.pipeline.run import Outcome

P = ParamSpec("P")
T = TypeVar("T")

app = typer.Typer(
    name="harness",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Know whether a style LoRA is any good: train, sample, score, compare.",
)

# Every command takes the common flags, so that a script may give them everywhere.
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else.")]
StoreDir = Annotated[
    Path | None,
    typer.Option("--store", envvar="HARNESS_STORE", help="Artifacts [.harness/store]."),
]
ReportsDir = Annotated[Path, typer.Option("--reports", help="Result files.")]
BenchmarkName = Annotated[
    str | None,
    typer.Option("--benchmark", "-b", help=f"How to judge [{IN_WORDS}]."),
]


class Device(StrEnum):
    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


DeviceName = Annotated[Device, typer.Option("--device", help="Where networks run.")]
CardName = Annotated[
    str | None,
    typer.Option("--card", help="Forecast for this card, as t4, a100 or h200 [the recipe's own]."),
]
Anyway = Annotated[bool, typer.Option("--anyway", help="Even where it cannot fit.")]
Processes = Annotated[
    int | None, typer.Option("--processes", help="Share training [one a card; 1 on a CPU].")
]
ExecutorName = Annotated[str, typer.Option("--executor", help="Who runs the steps.")]
REPORTS = Path("reports")
KINDS = ("recipes", "benchmarks", "suites", "metrics", "optimizers", "sources", "executors")


def guarded(command: Callable[P, T]) -> Callable[P, T]:
    """Turn our own errors into one line on stderr and their exit code."""

    @wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return command(*args, **kwargs)
        except HarnessError as error:
            fail(str(error), error.exit_code)
        except KeyboardInterrupt:
            fail("stopped; run the same command again to go on from here", 130)
        except BrokenPipeError:
            sys.exit(0)
        except Exception as error:
            if os.environ.get("HARNESS_DEBUG"):
                raise
            what = " ".join(str(error).split())[:300] or type(error).__name__
            fail(f"{type(error).__name__}: {what} (HARNESS_DEBUG=1 shows where)", 1)

    return wrapper


def fail(text: str, code: int) -> NoReturn:
    print(text, file=sys.stderr)
    raise SystemExit(code)


def show(document: Any) -> None:
    print(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False))


def workspace_of(
    store: Path | None,
    reports: Path = REPORTS,
    device: Device = Device.auto,
    executor: str = "local",
    processes: int | None = None,
) -> Workspace:
    from harness.api import Workspace, default_store

    chosen = store or default_store()
    return Workspace(chosen, reports, device.value, executor, processes=processes)


def console() -> Console:
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=150)


def write_page(
    file: Path, boards: Any, workspace: Workspace, title: str, seed_limit: int = 1, parts: Any = ()
) -> None:
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


def outcome_document(outcome: Outcome) -> dict[str, Any]:
    return {
        "recipe": outcome.result.recipe,
        "benchmark": outcome.result.benchmark,
        "signature": outcome.result.signature,
        "path": str(outcome.path),
        "made": list(outcome.made),
        "reused": list(outcome.reused),
    }


def print_outcomes(outcomes: list[Outcome], as_json: bool) -> None:
    if as_json:
        return show({"results": [outcome_document(outcome) for outcome in outcomes]})
    from rich.console import Console

    from harness.report.text import outcome_text

    for outcome in outcomes:
        Console(highlight=False).print(outcome_text(outcome), markup=False)
