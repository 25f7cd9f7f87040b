"""Commands that make something: from a page to weights, images and scores."""

from __future__ import annotations

import sys
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.common import (
    REPORTS,
    Anyway,
    BenchmarkName,
    CardName,
    Device,
    DeviceName,
    ExecutorName,
    Json,
    Processes,
    ReportsDir,
    StoreDir,
    app,
    console,
    fail,
    guarded,
    outcome_document,
    print_outcomes,
    show,
    workspace_of,
    write_page,
)
from harness.errors import MissingPrerequisite, UsageError

if TYPE_CHECKING:
    from harness.pipeline.forecast import Planned


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

    workspace = workspace_of(store, reports, device)
    outcomes = api.run(api.DEMO, api.DEFAULT_BENCHMARK, workspace)
    found = [
        each
        for each in api.leaderboard(reports, api.DEFAULT_BENCHMARK)
        if any(each.signature == outcome.result.signature for outcome in outcomes)
    ]
    write_page(html, found, workspace, "The pocket leaderboard")
    if as_json:
        return show(board_document(found[0]))
    from harness.report.leaderboard import print_boards

    print_boards(found, console())


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
    cautions = api.cautions(files or [])
    if as_json:
        show(
            {
                "ok": not problems,
                "problems": [vars(problem) for problem in problems],
                "warnings": [vars(caution) for caution in cautions],
            }
        )
    for caution in cautions:
        print(f"warning: {caution}", file=sys.stderr)
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        raise SystemExit(2)
    if not as_json:
        print("1 page holds" if count == 1 else f"{count} pages hold")


@app.command()
@guarded
def plan(
    recipes: Annotated[list[str], typer.Argument(help="Names or files of recipes.")],
    benchmark: BenchmarkName = None,
    card: CardName = None,
    anyway: Anyway = False,
    nodes: Annotated[
        str | None, typer.Option("--nodes", help="Forecast for so many GPUs, as 1,8,64.")
    ] = None,
    pictures: Annotated[
        int | None, typer.Option(min=1, help="How many there are, for --nodes [the source's own].")
    ] = None,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """Steps, what is done and to do, what it will cost and whether it fits. Runs nothing."""
    from harness import api
    from harness.pipeline.forecast.scale import scales_of, table
    from harness.report.text import plan_text

    many = scales_of(nodes) if nodes else ()
    planned = api.plan_all(recipes, benchmark, workspace_of(store).store, card, many, pictures)
    if as_json:
        documents = [each.as_json() for each in planned]
        show(documents[0] if len(documents) == 1 else {"plans": documents})
    else:
        for each in planned:
            print(plan_text(each))
            for line in table(each.scales) if each.scales else ():
                print(line)
    _refuse([] if anyway else planned)


def _refuse(planned: list[Planned]) -> None:
    """Fail where a plan does not fit on its card, and say what to do."""
    lines = [
        f"{each.plan.recipe}: {complaint} (--anyway accepts it)"
        for each in planned
        for complaint in each.forecast.complaints
    ]
    if lines:
        fail("\n".join(lines), 1)


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

    rehearsed = api.rehearse(recipe, workspace_of(store, device=device))
    outcome = rehearsed.outcome
    if as_json:
        return show({**outcome_document(outcome), "replaced": list(rehearsed.replaced)})
    print(f"{recipe} went through, end to end. Replaced for the rehearsal:")
    for line in rehearsed.replaced:
        print(f"  {line}")
    print("Its scores mean nothing; that they are there means that the recipe runs.")


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

    workspace = workspace_of(store, reports, device, executor, processes)
    outcomes = api.run(recipes, benchmark, workspace, replicates, anyway=anyway)
    print_outcomes(outcomes, as_json)


class Over(StrEnum):
    strength = "strength"
    checkpoint = "checkpoint"


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

    workspace = workspace_of(store, reports, device)
    points, advice = api.sweep_over(recipe, over.value, benchmark, workspace, _numbers(at))
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
def export(
    result: Annotated[Path, typer.Argument(help="A result file of a trained LoRA.")],
    out: Annotated[Path, typer.Argument(help="Folder to write into.")],
    to: Annotated[str, typer.Option("--to", help="diffusers, or kohya for user interfaces.")],
    strip_metadata: Annotated[
        bool, typer.Option("--strip-metadata", help="Keep only what loaders need.")
    ] = False,
    push: Annotated[
        str | None, typer.Option(metavar="OWNER/NAME", help="Upload to the hub, in private.")
    ] = None,
    public: Annotated[bool, typer.Option("--public", help="Let the world see it.")] = False,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """The LoRA behind a result, for diffusers or for user interfaces, with a model card."""
    from harness import api

    written = api.export(result, to, out, workspace_of(store).store, strip_metadata, push, public)
    if as_json:
        return show({"files": [str(file) for file in written.files], "url": written.url})
    for file in [*written.files, *([written.url] if written.url else [])]:
        print(file)


@app.command()
@guarded
def serve(
    source: Annotated[Path, typer.Argument(help="A result file, or a LoRA (.safetensors).")],
    base: Annotated[str | None, typer.Option(help="The base that the LoRA was made for.")] = None,
    benchmark: BenchmarkName = None,
    host: Annotated[str, typer.Option(help="Who may ask; 0.0.0.0 is everybody.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8700,
    queue: Annotated[int, typer.Option(min=1, help="How many may wait.")] = 64,
    batch: Annotated[int, typer.Option(min=1, help="Images that are drawn together.")] = 8,
    max_side: Annotated[int, typer.Option(min=32, help="Pixels of an image's side.")] = 1536,
    max_steps: Annotated[int, typer.Option(min=1, help="Sampler steps of a request.")] = 60,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
) -> None:
    """Prompts to images over HTTP, drawn as the result was: POST /images, on this machine alone."""
    for package in ("fastapi", "uvicorn"):
        if find_spec(package) is None:
            raise MissingPrerequisite(f"serve needs {package}", hint="pip install 'harness[serve]'")
    from harness import api
    from harness.delivery.service.app import Limits
    from harness.delivery.service.model import model_of
    from harness.delivery.service.run import ServiceOptions
    from harness.delivery.service.run import serve as run
    from harness.pages import benchmark as benchmarks
    from harness.pages.defaults import default_for_adapter
    from harness.pipeline.store.local import Store

    chosen = benchmark or default_for_adapter(base or "")
    judgement = None if source.suffix == ".json" else benchmarks.load(chosen)
    model = model_of(source, base, judgement, Store(workspace_of(store).store))
    limits = Limits(side=max_side, steps=max_steps)
    run(model, api.resolve_device(device.value), ServiceOptions(host, port, queue, batch), limits)
