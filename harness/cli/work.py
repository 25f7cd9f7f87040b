"""Commands that make something: train, sample, score."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.common import (
    REPORTS,
    Anyway,
    BenchmarkName,
    Device,
    DeviceName,
    ExecutorName,
    Json,
    Processes,
    ReportsDir,
    StoreDir,
    app,
    console,
    guarded,
    place_of,
    show,
    write_page,
)
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.pipeline.run import Outcome


class Over(StrEnum):
    strength = "strength"
    checkpoint = "checkpoint"


@app.command()
@guarded
def run(
    recipes: Annotated[list[str], typer.Argument(help="Names or files of recipes.")],
    benchmark: BenchmarkName = None,
    replicates: Annotated[int, typer.Option(help="Train this many seeds.")] = 1,
    anyway: Anyway = False,
    executor: ExecutorName = "local",
    processes: Processes = None,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """Train, sample, score: make what is missing and write a result file."""
    from harness import api

    place = place_of(store, reports, device, executor, processes)
    outcomes = api.run(recipes, benchmark, place, replicates, anyway=anyway)
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

    rehearsed = api.rehearse(recipe, place_of(store, device=device))
    outcome = rehearsed.outcome
    if as_json:
        return show({**_outcome(outcome), "replaced": list(rehearsed.replaced)})
    print(f"{recipe} went through, end to end. Replaced for the rehearsal:")
    for line in rehearsed.replaced:
        print(f"  {line}")
    print("Its scores mean nothing; that they are there means that the recipe runs.")


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
    from harness import api
    from harness.report.leaderboard import board_document

    place = place_of(store, reports, device)
    outcomes = api.run(api.DEMO, api.DEFAULT_BENCHMARK, place)
    found = [
        each
        for each in api.leaderboard(reports, api.DEFAULT_BENCHMARK)
        if any(each.signature == outcome.result.signature for outcome in outcomes)
    ]
    write_page(html, found, place, "The pocket leaderboard")
    if as_json:
        return show(board_document(found[0]))
    from harness.report.leaderboard import print_boards

    print_boards(found, console())


@app.command()
@guarded
def sanity(
    benchmark: BenchmarkName = None,
    base: Annotated[
        str | None, typer.Option(help="The recipe that draws pictures of another style.")
    ] = None,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """A benchmark's sanity card: known damage, and which metric notices it."""
    from harness import api
    from harness.report.sanity import card_document, print_card

    chosen = benchmark or api.DEFAULT_BENCHMARK
    found = api.sanity(chosen, place_of(store, reports, device), base)
    silent = api.silent_on(found)
    if as_json:
        return show(card_document(found, silent))
    print_card(found, silent, console())


@app.command()
@guarded
def sweep(
    recipe: Annotated[str, typer.Argument(help="Name or file of a recipe.")],
    over: Annotated[Over, typer.Option(help="What changes from point to point.")] = Over.strength,
    at: Annotated[
        str | None, typer.Option(help="Strengths, as 0,0.5,1 [0 to 1.25 by quarters].")
    ] = None,
    benchmark: BenchmarkName = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write the curves as a page.")] = None,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """An adapter at many strengths, or at its checkpoints, and which to take."""
    from harness import api
    from harness.files import write_text
    from harness.report.sweep import print_sweep, sweep_document, sweep_page

    place = place_of(store, reports, device)
    points, advice = api.sweep_over(recipe, over.value, benchmark, place, _numbers(at))
    if html is not None:
        write_text(html, sweep_page(recipe, over.value, points, advice))
        print(f"wrote {html}", file=sys.stderr)
    if as_json:
        return show(sweep_document(recipe, over.value, points, advice))
    print_sweep(recipe, over.value, points, advice, console())


def _numbers(words: str | None) -> tuple[float, ...] | None:
    try:
        found = None if words is None else tuple(float(word) for word in words.split(","))
    except ValueError:
        raise UsageError(f"--at {words} are no numbers", hint="such as --at 0,0.5,1") from None
    if found is not None and not all(0 <= number <= 4 for number in found):
        raise UsageError(f"--at {words} holds a strength outside 0 to 4", hint="0 is the base")
    return found


@app.command()
@guarded
def score(
    name: Annotated[str, typer.Option(help="What to call the result.")],
    images: Annotated[Path | None, typer.Option(help="A folder of images.")] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(
            help="CSV or JSONL: file, prompt[, prompt_id, seed]; or TXT. Without it, the "
            "benchmark's own file names, or what A1111, ComfyUI and others wrote into the images."
        ),
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

    place = place_of(store, reports, device)
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
        return show({"results": [_outcome(outcome) for outcome in outcomes]})
    from rich.console import Console

    from harness.report.text import outcome_text

    for outcome in outcomes:
        Console(highlight=False).print(outcome_text(outcome), markup=False)
