"""argv → one call → text. No logic lives here.

Each command imports what it needs when it is called, so that `--help` answers at once; this is
the one module that may.
"""

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

from harness.errors import HarnessError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from harness.api import Place
    from harness.run import Outcome

P = ParamSpec("P")
T = TypeVar("T")

app = typer.Typer(
    name="harness", no_args_is_help=True, add_completion=False, rich_markup_mode=None,
    pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]},
    help="Know whether a style LoRA is any good: train, sample, score, compare.",
)  # fmt: skip

# Every command takes the common flags, so that a script may give them everywhere.
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else.")]
StoreDir = Annotated[
    Path | None,
    typer.Option("--store", envvar="HARNESS_STORE", help="Artifacts [.harness/store]."),
]
ReportsDir = Annotated[Path, typer.Option("--reports", help="Result files.")]
BenchmarkName = Annotated[
    str | None,
    typer.Option(
        "--benchmark", "-b", help="How to judge [pocket-v1 on a pocket base, else naruto-v1]."
    ),
]


class Device(StrEnum):
    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


DeviceName = Annotated[Device, typer.Option("--device", help="Where networks run.")]
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
            _fail(str(error), error.exit_code)
        except KeyboardInterrupt:
            _fail("stopped; run the same command again to go on from here", 130)
        except BrokenPipeError:
            sys.exit(0)
        except Exception as error:
            if os.environ.get("HARNESS_DEBUG"):
                raise
            what = " ".join(str(error).split())[:300] or type(error).__name__
            _fail(f"{type(error).__name__}: {what} (HARNESS_DEBUG=1 shows where)", 1)

    return wrapper


def _fail(text: str, code: int) -> NoReturn:
    print(text, file=sys.stderr)
    raise SystemExit(code)


def _show(document: Any) -> None:
    print(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False))


def _place(
    store: Path | None, reports: Path = REPORTS, device: Device = Device.auto,
    executor: str = "local",
) -> Place:  # fmt: skip
    from harness.api import Place, default_store

    return Place(store or default_store(), reports, device.value, executor)


@app.command("list")
@guarded
def list_(
    kind: Annotated[str | None, typer.Argument(metavar="[KIND]", help=", ".join(KINDS))] = None,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """What there is: recipes, benchmarks, suites and plugins."""
    from harness.catalogue import catalogue

    if kind is not None and kind not in KINDS:
        raise UsageError(f"there is no list of {kind!r}", hint=", ".join(KINDS))
    found = catalogue([kind] if kind else KINDS)
    if as_json:
        return _show(found)
    for name, entries in found.items():
        print(f"{name}")
        width = max((len(entry["name"]) for entry in entries), default=0)
        for entry in entries:
            print(f"  {entry['name']:<{width}}  {entry['summary']}")


@app.command()
@guarded
def check(
    files: Annotated[list[Path] | None, typer.Argument(help="Pages; all where none given.")] = None,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """Validate pages: every problem at once, with file, line and a hint."""
    from harness import api

    count, problems = api.check(files or [])
    if as_json:
        _show({"ok": not problems, "problems": [vars(problem) for problem in problems]})
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        raise SystemExit(2)
    if not as_json:
        print(f"{count} pages hold")


@app.command()
@guarded
def plan(
    recipes: Annotated[list[str], typer.Argument(help="Names or files of recipes.")],
    benchmark: BenchmarkName = None,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """Steps, what is done and to do, and what it will cost. Runs nothing."""
    from harness import api
    from harness.report import plan_text

    planned = api.plan_all(recipes, benchmark, _place(store).store)
    if as_json:
        documents = [each.as_json() for each in planned]
        return _show(documents[0] if len(documents) == 1 else {"plans": documents})
    for each in planned:
        print(plan_text(each))


@app.command()
@guarded
def run(
    recipes: Annotated[list[str], typer.Argument(help="Names or files of recipes.")],
    benchmark: BenchmarkName = None,
    replicates: Annotated[int, typer.Option(help="Train this many seeds.")] = 1,
    executor: ExecutorName = "local",
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """Train, sample, score: make what is missing and write a result file."""
    from harness import api

    place = _place(store, reports, device, executor)
    outcomes = api.run(recipes, benchmark, place, replicates)
    _print_outcomes(outcomes, as_json)


@app.command()
@guarded
def rehearse(
    recipe: Annotated[str, typer.Argument(help="Name or file of a recipe.")],
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """The whole recipe on the pocket world, in about a minute, before you spend."""
    from harness import api

    rehearsed = api.rehearse(recipe, _place(store, device=device))
    outcome = rehearsed.outcome
    if as_json:
        return _show({**_outcome(outcome), "replaced": list(rehearsed.replaced)})
    print(f"{recipe} went through, end to end. Replaced for the rehearsal:")
    for line in rehearsed.replaced:
        print(f"  {line}")
    print("Its scores mean nothing; that they are there means that the recipe runs.")


@app.command()
@guarded
def score(
    name: Annotated[str, typer.Option(help="What to call the result.")],
    images: Annotated[Path | None, typer.Option(help="A folder of images.")] = None,
    prompts: Annotated[
        Path | None, typer.Option(help="CSV or JSONL: file, prompt[, prompt_id, seed]; or TXT.")
    ] = None,
    adapter: Annotated[Path | None, typer.Option(help="A LoRA file (.safetensors).")] = None,
    base: Annotated[str | None, typer.Option(help="The base the LoRA was trained on.")] = None,
    benchmark: BenchmarkName = None,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """Judge images or a LoRA that were made elsewhere."""
    from harness import api

    place = _place(store, reports, device)
    if images is not None and adapter is None:
        chosen = benchmark or api.DEFAULT_BENCHMARK
        outcome = api.score_images(images, prompts, chosen, name, place)
        if benchmark is None:
            print(f"judged by {chosen}, a toy; --benchmark names another", file=sys.stderr)
    elif adapter is not None and images is None:
        if base is None:
            raise UsageError("--adapter needs --base", hint="such as --base pocket/sdxl")
        outcome = api.score_adapter(adapter, base, benchmark, name, place)
    else:
        raise UsageError("give either --images or --adapter", hint="`harness score --help`")
    _print_outcomes([outcome], as_json)


@app.command()
@guarded
def leaderboard(
    benchmark: BenchmarkName = None,
    csv: Annotated[bool, typer.Option("--csv", help="CSV on stdout.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Markdown on stdout.")] = False,
    html: Annotated[Path | None, typer.Option("--html", help="Write one HTML page.")] = None,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """Who is ahead, and by how much that is known."""
    from harness import api, board

    found = api.leaderboard(reports, benchmark)
    if html is not None:
        _write_page(html, found, _place(store).store, "Leaderboard")
    if as_json:
        documents = [board.as_json(each) for each in found]
        others = {"others": documents[1:]} if documents[1:] else {}
        _show({**documents[0], **others})
    elif csv:
        print(board.as_csv(found), end="")
    elif markdown:
        print(board.as_markdown(found), end="")
    elif html is None:
        from harness.report import print_boards

        print_boards(found, _console())


@app.command()
@guarded
def report(
    result: Annotated[Path, typer.Argument(help="A result file.")],
    html: Annotated[Path, typer.Option("--html", help="Where to write the page.")],
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """One result with all its images as an HTML page."""
    from harness import board

    read = board.read_result(result)
    _write_page(html, board.boards([read]), _place(store).store, read.recipe, seed_limit=100)
    if as_json:
        _show({"recipe": read.recipe, "benchmark": read.benchmark, "path": str(html)})


@app.command()
@guarded
def demo(
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    html: Annotated[Path, typer.Option(help="Where to write the page.")] = Path(
        ".harness/leaderboard.html"
    ),
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """The pocket leaderboard, from nothing to an HTML page, on any CPU."""
    from harness import api, board

    place = _place(store, reports, device)
    outcomes = api.run(api.DEMO, api.DEFAULT_BENCHMARK, place)
    found = [
        each for each in api.leaderboard(reports, api.DEFAULT_BENCHMARK)
        if any(each.signature == outcome.result.signature for outcome in outcomes)
    ]  # fmt: skip
    _write_page(html, found, place.store, "The pocket leaderboard")
    if as_json:
        return _show(board.as_json(found[0]))
    from harness.report import print_boards

    print_boards(found, _console())


@app.command()
@guarded
def dashboard(
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    port: Annotated[int, typer.Option(help="Port on localhost.")] = 8501,
) -> None:
    """Browse the leaderboards in a browser, on this machine alone."""
    from harness import api

    raise SystemExit(api.dashboard(_place(store, reports), port))


@app.command()
@guarded
def verify(
    result: Annotated[Path, typer.Argument(help="A result file.")],
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """Whether a result still is what the store holds, byte for byte."""
    from harness import api

    problems = api.verify(result, _place(store).store)
    if as_json:
        _show({"ok": not problems, "problems": problems})
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        raise SystemExit(1)
    if not as_json:
        print(f"{result} holds: every artifact it names is as it was made")


@app.command()
@guarded
def doctor(
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """What this machine can do, and what is missing for the rest."""
    from harness import api

    findings = api.doctor(_place(store))
    if as_json:
        _show({"ok": all(each.ok for each in findings if each.needed),
               "findings": [vars(each) for each in findings]})  # fmt: skip
    else:
        for each in findings:
            mark = "ok     " if each.ok else "MISSING" if each.needed else "without"
            advice = f"  → {each.advice}" if each.advice and not each.ok else ""
            print(f"{mark}  {each.name:<16} {each.found}{advice}")
    if any(not each.ok and each.needed for each in findings):
        raise SystemExit(1)


@app.command()
@guarded
def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """Remove artifacts that no result names."""
    from harness import api

    garbage = api.gc(_place(store, reports), dry_run)
    if as_json:
        return _show({"folders": [str(path) for path in garbage.folders], "bytes": garbage.bytes})
    verb = "would remove" if dry_run else "removed"
    print(f"{verb} {len(garbage.folders)} folders, {garbage.bytes / 1e6:.1f} MB")


@app.command()
@guarded
def schema(
    out: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("harness/schemas"),
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """Write the JSON Schema of every kind of page, for editors."""
    from harness import api
    from harness.store import write_text

    for name, text in api.schemas().items():
        write_text(out / name, text)
        print(out / name, file=sys.stderr if as_json else sys.stdout)
    if as_json:
        _show({"files": [str(out / name) for name in api.schemas()]})


def _console() -> Console:
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=110)


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "recipe": outcome.result.recipe,
        "benchmark": outcome.result.benchmark,
        "signature": outcome.result.signature,
        "path": str(outcome.path),
        "made": list(outcome.made),
        "reused": list(outcome.reused),
    }


def _print_outcomes(outcomes: list[Outcome], as_json: bool) -> None:
    if as_json:
        return _show({"results": [_outcome(outcome) for outcome in outcomes]})
    from rich.console import Console

    from harness.report import outcome_text

    for outcome in outcomes:
        Console(highlight=False).print(outcome_text(outcome), markup=False)


def _write_page(file: Path, boards: Any, store: Path, title: str, seed_limit: int = 1) -> None:
    from harness import api
    from harness.report import html
    from harness.store import write_text

    write_text(file, html(boards, lambda each: api.images_of(each, store), title, seed_limit))
    print(f"wrote {file}", file=sys.stderr)


def main() -> None:
    """Run the command line."""
    try:
        app()
    except HarnessError as error:
        _fail(str(error), error.exit_code)


if __name__ == "__main__":
    main()
