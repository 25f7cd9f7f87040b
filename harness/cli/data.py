"""Commands about data sets: curate, diff-data, reference."""

from __future__ import annotations

import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import harness
from harness.cli import complete
from harness.cli.options import (
    Device,
    DeviceName,
    Json,
    PocketBenchmarkName,
    StoreDir,
    workspace_of,
)
from harness.cli.output import console, say, show
from harness.cli.program import command
from harness.pages.defaults import DEFAULT_BENCHMARK


class Form(StrEnum):
    folder = "folder"
    webdataset = "webdataset"
    parquet = "parquet"


@command("data", "harness curate pocket-ninja --out curated")
def curate(
    config: Annotated[
        str, typer.Argument(autocompletion=complete.recipes, help="A recipe, or a page with data:.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            show_default=".harness/curated/NAME",
            help="The folder to write into.",
        ),
    ] = None,
    to: Annotated[
        Form | None,
        typer.Option("--to", show_default="rows alone", help="Write the images too, in this form."),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Curate again even if the folder is complete.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Select, caption and bucket a data set; count what is dropped."""
    from harness.report.curation import print_curated

    made = harness.curate(
        config, out, to=to.value if to else None, again=again, on_progress=_Progress()
    )
    say(f"took {made.chosen}", file=sys.stderr)
    if as_json:
        return show(
            {
                "path": str(made.folder),
                "reused": made.reused,
                "chosen": made.chosen,
                **made.document,
            }
        )
    print_curated(made, console())


class _Progress:
    """A line on stderr every two seconds."""

    def __init__(self) -> None:
        self._next = time.monotonic() + 2

    def __call__(self, judged: int, kept: int) -> None:
        if time.monotonic() >= self._next:
            say(f"{judged:,} rows judged, {kept:,} kept", file=sys.stderr)
            self._next = time.monotonic() + 2


DataSet = Annotated[
    str,
    typer.Argument(
        autocompletion=complete.recipes,
        help="A folder of images, a curated folder, the key of a data artifact (or its first "
        "digits), or a recipe whose data is in the store.",
    ),
]


@command("data", "harness diff-data set-2023 set-2024", name="diff-data")
def diff_data(a: DataSet, b: DataSet, store: StoreDir = None, as_json: Json = False) -> None:
    """Show what changed from one data set to another.

    Rows that were added, removed and changed, the licence and the version.
    """
    from harness.pipeline.diff_data import told

    difference = harness.diff_data(a, b, workspace=workspace_of(store))
    if as_json:
        return show(difference.document())
    say(told(difference))


@command("data", "harness reference statistics --benchmark pocket-v1")
def reference(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write into.")],
    benchmark: PocketBenchmarkName = None,
    store: StoreDir = None,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """Write a benchmark's reference statistics for other tools.

    Features, mu and sigma of its reference set, with digests.
    """
    chosen = benchmark or DEFAULT_BENCHMARK
    written = harness.write_reference(chosen, out, workspace=workspace_of(store, device=device))
    if as_json:
        return show({"benchmark": chosen, "files": [str(each.file) for each in written]})
    for each in written:
        say(f"{each.file}  {each.count} images  sha256 {each.sha256[:16]}…")
