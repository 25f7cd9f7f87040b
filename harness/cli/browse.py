"""Commands that show what is there."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.common import (
    KINDS,
    REPORTS,
    BenchmarkName,
    Device,
    DeviceName,
    Json,
    ReportsDir,
    StoreDir,
    app,
    console,
    guarded,
    show,
    workspace_of,
    write_page,
)
from harness.errors import UsageError

if TYPE_CHECKING:
    pass


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
def report(
    result: Annotated[Path, typer.Argument(help="A result file.")],
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a page with all images.")
    ] = None,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """One result: its scores, also by suite and tag, and as an HTML page with all its images."""
    from harness import api
    from harness.decisions import leaderboard as board
    from harness.pipeline.results.read import read_result
    from harness.report.breakdown import print_groups
    from harness.report.text import result_text

    read, parts = read_result(result), api.parts_of(result)
    if html is not None:
        workspace = workspace_of(store, reports)
        write_page(html, board.boards([read]), workspace, read.recipe, seed_limit=100, parts=parts)
    if as_json:
        show(
            {
                "recipe": read.recipe,
                "benchmark": read.benchmark,
                "path": html and str(html),
                "groups": [asdict(part) for part in parts],
            }
        )
    elif html is None:
        console().print(result_text(read), markup=False, highlight=False)
        if parts:
            print_groups(parts, console())


@app.command()
@guarded
def dashboard(
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8501,
    host: Annotated[str, typer.Option(help="Who may look; 0.0.0.0 is everybody.")] = "127.0.0.1",
    allow_write: Annotated[
        bool, typer.Option("--allow-write", help="Let visitors vote and accept baselines.")
    ] = False,
    export: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a site of files instead; no server.")
    ] = None,
    benchmark: BenchmarkName = None,
    as_json: Json = False,
) -> None:
    """Browse results in a browser: read-only, on this machine alone, unless told otherwise."""
    from harness.views.server import serve
    from harness.views.site import write

    workspace = workspace_of(store, reports)
    if export is None:
        raise SystemExit(serve(workspace, port, host, allow_write))
    written = write(workspace, export, benchmark)
    if as_json:
        return show({"index": str(written.index), "files": written.files, "bytes": written.bytes})
    print(f"{written.index}  ({written.files} files, {written.bytes / 1e6:.1f} MB)")
