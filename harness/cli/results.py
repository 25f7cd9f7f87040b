"""Commands about results that are there."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.common import (
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
    place_of,
    show,
    write_page,
)


@app.command()
@guarded
def leaderboard(
    benchmark: BenchmarkName = None,
    csv: Annotated[bool, typer.Option("--csv", help="CSV on stdout.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Markdown on stdout.")] = False,
    html: Annotated[Path | None, typer.Option("--html", help="Write one HTML page.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every metric, not the first of each family.")
    ] = False,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """Who is ahead, and by how much that is known."""
    from harness import api
    from harness.report.leaderboard import as_csv, as_markdown, board_document

    found = api.leaderboard(reports, benchmark)
    if html is not None:
        write_page(html, found, place_of(store, reports), "Leaderboard")
    if as_json:
        documents = [board_document(each) for each in found]
        others = {"others": documents[1:]} if documents[1:] else {}
        show({**documents[0], **others})
    elif csv:
        print(as_csv(found), end="")
    elif markdown:
        print(as_markdown(found, everything), end="")
    elif html is None:
        from harness.report.leaderboard import print_boards

        print_boards(found, console(), everything)


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
        place = place_of(store, reports)
        write_page(html, board.boards([read]), place, read.recipe, seed_limit=100, parts=parts)
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

    written = api.export(result, to, out, place_of(store).store, strip_metadata, push, public)
    if as_json:
        return show({"files": [str(file) for file in written.files], "url": written.url})
    for file in [*written.files, *([written.url] if written.url else [])]:
        print(file)


@app.command()
@guarded
def reference(
    out: Annotated[Path, typer.Argument(help="Folder to write into.")],
    benchmark: BenchmarkName = None,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """A benchmark's reference statistics (features, mu, sigma) with digests, for other tools."""
    from harness import api

    chosen = benchmark or api.DEFAULT_BENCHMARK
    found = api.write_reference(chosen, out, place_of(store, reports, device))
    if as_json:
        return show({"benchmark": chosen, "files": [str(each.file) for each in found]})
    for each in found:
        print(f"{each.file}  {each.count} pictures  sha256 {each.sha256[:16]}…")


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

    problems = api.verify(result, place_of(store).store)
    if as_json:
        show({"ok": not problems, "problems": problems})
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        raise SystemExit(1)
    if not as_json:
        print(f"{result} holds: every artifact it names is as it was made")
