"""Commands that decide: what is better, and what may pass."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    show,
    workspace_of,
    write_page,
)
from harness.errors import UsageError

if TYPE_CHECKING:
    pass


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
        write_page(html, found, workspace_of(store, reports), "Leaderboard")
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
def compare(
    results: Annotated[
        list[str],
        typer.Argument(
            metavar="A B…", help="Result files, or recipes and NAME@STEP that were run."
        ),
    ],
    benchmark: BenchmarkName = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option("--metric", help="Decide by these [the first of each family]."),
    ] = None,
    margins: Annotated[
        list[str] | None,
        typer.Option(
            "--margin",
            metavar="METRIC=SIZE",
            help="The smallest effect that matters [half the spread between prompts].",
        ),
    ] = None,
    draws: Annotated[
        int, typer.Option(help="Exchanges of images, for FID and its kin; 0: none.", min=0)
    ] = 199,
    force: Annotated[
        bool, typer.Option("--force", help="Although they were judged unlike.")
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Markdown on stdout.")] = False,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """What A is beside B, paired by prompt: better, worse, no difference, or not to be told yet."""
    from harness.api import verdicts
    from harness.decisions.compare import Rules
    from harness.report import comparison as words

    rules = Rules(tuple(metrics or ()), _sizes(margins), force=force, draws=draws)
    found = verdicts.compare(results, benchmark, workspace_of(store, reports, device), rules)
    if as_json:
        documents = [words.comparison_document(each) for each in found]
        others = {"others": documents[1:]} if documents[1:] else {}
        return show({**documents[0], **others})
    if markdown:
        one = len(found) == 1
        return print(
            words.comparison_markdown(found[0]) if one else words.comparisons_markdown(found)
        )
    if len(found) == 1:
        return words.print_comparison(found[0], console())
    return words.print_comparisons(found, console())


def _sizes(words: list[str] | None) -> dict[str, float]:
    """Return `METRIC=SIZE` by metric."""
    found = {}
    for word in words or ():
        name, _, size = word.partition("=")
        try:
            found[name] = float(size)
        except ValueError:
            raise UsageError(f"--margin {word} gives no size", hint="such as kid=2.5") from None
        if not found[name] > 0:
            raise UsageError(f"--margin {word} is not above zero", hint="such as kid=2.5")
    return found


RecipeName = Annotated[str, typer.Argument(help="A recipe, NAME@STEP, or a result's file.")]


Replicates = Annotated[int, typer.Option(help="Train this many seeds.")]


@app.command()
@guarded
def gate(
    recipe: RecipeName,
    baseline: Annotated[
        Path | None, typer.Option(help="A result's file that this one is held to.")
    ] = None,
    accept: Annotated[
        bool, typer.Option("--accept", help="Make this result the baseline; commit the file.")
    ] = False,
    policy: Annotated[Path | None, typer.Option(help="A policy page [measured noise].")] = None,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML.")] = None,
    summary: Annotated[Path | None, typer.Option(help="Write Markdown; under 1 MiB.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write a page.")] = None,
    replicates: Replicates = 1,
    benchmark: BenchmarkName = None,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """Pass, fail (exit 3) or not enough evidence (exit 4), beside an accepted baseline."""
    from harness.api import verdicts

    workspace = workspace_of(store, reports, device)
    if accept:
        file = verdicts.accept(recipe, benchmark, workspace, replicates)
        return show({"baseline": str(file)}) if as_json else print(f"accepted: {file}")
    if baseline is None:
        raise UsageError("gate needs --baseline FILE", hint="--accept writes the first one")
    from harness.files import write_text
    from harness.report import gate as words

    found = verdicts.gate(recipe, baseline, workspace, policy, replicates)
    worst = verdicts.worst_of(found, workspace) if html or summary else ()
    if html is not None:
        write_text(html, words.page(found.gate, worst))
    if summary is not None:
        write_text(summary, words.summary(found.gate, worst, str(html) if html else None))
    if junit is not None:
        write_text(junit, words.junit(found.gate))
    for line in words.github_annotations(found.gate) if os.environ.get("GITHUB_ACTIONS") else ():
        print(line, file=sys.stderr)
    if as_json:
        show(words.gate_document(found.gate))
    else:
        words.print_gate(found.gate, console())
    raise SystemExit(found.gate.exit_code)


@app.command()
@guarded
def history(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe.")],
    benchmark: BenchmarkName = None,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """A recipe over time: gates, accepted baselines, and where values stepped."""
    from harness.api import verdicts
    from harness.decisions.history import document
    from harness.report.reproduction import print_history

    events, steps = verdicts.recall(recipe, benchmark, reports)
    if as_json:
        return show(document(events, steps))
    return print_history(recipe, events, steps, console())


@app.command()
@guarded
def reproduce(
    result: Annotated[Path, typer.Argument(help="A result file.")],
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """A published result made again from nothing: inside its window, or outside (exit 3)."""
    from harness.api import verdicts
    from harness.report.reproduction import print_reproduction, reproduction_document

    found = verdicts.reproduce(result, workspace_of(store, reports, device))
    if as_json:
        show(reproduction_document(found))
    else:
        print_reproduction(found, console())
    if not found.holds:
        raise SystemExit(3)
