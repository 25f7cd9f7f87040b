"""Commands that decide: what is better, and what may pass."""

from __future__ import annotations

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
)
from harness.errors import UsageError


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
    from harness import verdicts
    from harness.compare import Rules
    from harness.report import comparison as words

    rules = Rules(tuple(metrics or ()), _sizes(margins), force=force, draws=draws)
    found = verdicts.compare(results, benchmark, place_of(store, reports, device), rules)
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
