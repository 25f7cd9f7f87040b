"""Commands about data sets."""

from __future__ import annotations

import sys
import time
from enum import StrEnum
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
)

if TYPE_CHECKING:
    pass


class To(StrEnum):
    folder = "folder"
    webdataset = "webdataset"
    parquet = "parquet"


@app.command()
@guarded
def curate(
    config: Annotated[str, typer.Argument(help="A recipe, or a page with data:.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to [.harness/curated/<name>].")
    ] = None,
    to: Annotated[
        To | None, typer.Option("--to", help="Write the pictures too: in which form.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Even if it is there.")] = False,
    as_json: Json = False,
) -> None:
    """Dataset rows → a curated, captioned, bucketed set, and why rows were dropped."""
    from harness.pipeline.curate import Order
    from harness.pipeline.curate import curate as make
    from harness.report.curation import curation_page, print_curated

    order = Order(config, out, to.value if to else None, again)
    made = make(order, curation_page, heard=_Progress())
    print(f"took {made.chosen}", file=sys.stderr)
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
            print(f"{judged:,} rows judged, {kept:,} kept", file=sys.stderr)
            self._next = time.monotonic() + 2


Set = (
    "A folder of pictures or a curated one, a data artifact's key (or its first digits), or a "
    "recipe whose data is collected."
)


@app.command("diff-data")
@guarded
def diff_data(
    a: Annotated[str, typer.Argument(help=Set)],
    b: Annotated[str, typer.Argument(help="The same, to compare with.")],
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """What two data sets differ in: rows added, removed and changed, licence and version."""
    from harness.pipeline.diff_data import between, told
    from harness.pipeline.store.local import Store

    found = between(a, b, Store(workspace_of(store).store))
    if as_json:
        return show(found.document())
    print(told(found))


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
    found = api.write_reference(chosen, out, workspace_of(store, reports, device))
    if as_json:
        return show({"benchmark": chosen, "files": [str(each.file) for each in found]})
    for each in found:
        print(f"{each.file}  {each.count} pictures  sha256 {each.sha256[:16]}…")
