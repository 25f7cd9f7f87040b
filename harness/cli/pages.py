"""Commands about pages: what there is, whether it holds, what it would cost."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.common import (
    KINDS,
    REPORTS,
    Anyway,
    BenchmarkName,
    CardName,
    Device,
    DeviceName,
    Json,
    ReportsDir,
    StoreDir,
    app,
    fail,
    guarded,
    place_of,
    show,
)
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.pipeline.forecast import Planned


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
    from harness.pages.catalogue import catalogue

    if kind is not None and kind not in KINDS:
        raise UsageError(f"there is no list of {kind!r}", hint=", ".join(KINDS))
    found = catalogue([kind] if kind else KINDS)
    if as_json:
        return show(found)
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
        print(f"{count} pages hold")


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
    planned = api.plan_all(recipes, benchmark, place_of(store).store, card, many, pictures)
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
def schema(
    out: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("harness/schemas"),
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """Write the JSON Schema of every kind of page, for editors."""
    from harness import api
    from harness.files import write_text

    for name, text in api.schemas().items():
        write_text(out / name, text)
        print(out / name, file=sys.stderr if as_json else sys.stdout)
    if as_json:
        show({"files": [str(out / name) for name in api.schemas()]})
