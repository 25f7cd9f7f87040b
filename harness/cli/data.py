"""Commands about what recipes learn from."""

from __future__ import annotations

import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.common import Json, app, console, guarded, show


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
