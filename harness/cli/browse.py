"""Commands that show what is there: list, report, inspect, dashboard."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

import harness
from harness.cli import complete
from harness.cli.options import (
    REPORTS,
    AllowedHosts,
    Json,
    ReportsDir,
    ResultFile,
    StoreDir,
    benchmark_flag,
    workspace_of,
)
from harness.cli.output import console, say, show, write_report
from harness.cli.program import command
from harness.errors import UsageError


@command("browse", "harness list metrics", name="list")
def list_(
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar="KIND", autocompletion=complete.kinds, help=", ".join(complete.KINDS) + "."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """List recipes, benchmarks, suites and plugins."""
    from harness.pages.catalogue import catalogue

    kinds = complete.KINDS
    if kind is not None and kind not in kinds:
        raise UsageError(f"there is no list of {kind!r}", hint=", ".join(kinds))
    entries_by_kind = catalogue([kind] if kind else kinds)
    if as_json:
        return show(entries_by_kind)
    for name, entries in entries_by_kind.items():
        say(name)
        width = max((len(entry["name"]) for entry in entries), default=0)
        for entry in entries:
            say(f"  {entry['name']:<{width}}  {entry['summary']}")


@command("browse", "harness report reports/pocket-v1/pocket-ninja.json --html ninja.html")
def report(
    result: ResultFile,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write an HTML report with all its images."),
    ] = None,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    as_json: Json = False,
) -> None:
    """Show one result: its scores, also by suite and by tag.

    With --html, --store holds the images and --reports the benchmark's sanity card.
    """
    from harness.report.breakdown import print_groups
    from harness.report.text import result_text

    run = harness.load_result(result, reports=reports)
    parts = run.groups()
    if html is not None:
        write_report(html, run.page(workspace_of(store, reports)))
    if as_json:
        show(
            {
                "recipe": run.recipe,
                "benchmark": run.result.benchmark,
                "path": html and str(html),
                "groups": [asdict(part) for part in parts],
                "probe": run.result.probe and run.result.probe.model_dump(mode="json"),
            }
        )
    elif html is None:
        say(result_text(run.result))
        if parts:
            print_groups(parts, console())


@command("browse", "harness inspect lora/pocket-ninja.safetensors")
def inspect(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="LoRA files in safetensors.")
    ],
    base: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            show_default="none is needed",
            help="A folder or a pocket model: measure changes against its weights.",
        ),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the change of every block as an SVG."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what LoRA files are: kind, base, ranks, change, overlap.

    It reads the files alone: no GPU, no base, no pickle. Of two files or more it says how far they
    change the same, and so whether they stack.
    """
    found = harness.inspect(files, base=base)
    if picture is not None:
        write_report(picture, found.picture())
    if as_json:
        return show(found.document())
    from harness.report.inspection import print_inspection

    print_inspection(found.document(), console())


@command("browse", "harness dashboard --export site")
def dashboard(
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 8501,
    host: Annotated[
        str, typer.Option(help="The address to listen on; 0.0.0.0 lets every machine in.")
    ] = "127.0.0.1",
    allow_write: Annotated[
        bool,
        typer.Option(
            "--allow-write",
            help="Let visitors vote and accept baselines who open the address that is printed.",
        ),
    ] = False,
    allow_host: AllowedHosts = None,
    export: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a static site; start no server.")
    ] = None,
    space: Annotated[
        bool,
        typer.Option("--space", help="With --export: add the card of a Hugging Face Space."),
    ] = False,
    benchmark: Annotated[
        str | None, benchmark_flag("With --export: only this benchmark.", "all")
    ] = None,
    as_json: Json = False,
) -> None:
    """Browse results in a web browser, or write a static site.

    The server is read-only and for this machine alone, unless a flag says otherwise. --json is
    for --export.
    """
    from harness.views.server import serve
    from harness.views.site import write

    workspace = workspace_of(store, reports)
    if export is None:
        if space:
            raise UsageError("--space is for a site of files", hint="--export DIR names its folder")
        serve(workspace, port, host, allow_write, allow_host or ())
    written = write(workspace, export, benchmark, space)
    if as_json:
        return show({"index": str(written.index), "files": written.files, "bytes": written.bytes})
    say(f"{written.index}  ({written.files} files, {written.bytes / 1e6:.1f} MB)")
