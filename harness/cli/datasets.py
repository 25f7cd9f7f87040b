"""Commands about data sets."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.common import (
    REPORTS,
    Device,
    DeviceName,
    Json,
    ReportsDir,
    StoreDir,
    app,
    guarded,
    place_of,
    show,
)

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

    found = between(a, b, Store(place_of(store).store))
    if as_json:
        return show(found.document())
    print(told(found))
