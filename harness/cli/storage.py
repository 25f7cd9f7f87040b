"""Commands about a store elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from harness.interfaces import Progress
    from harness.pipeline.store.remote import Moved

store_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Send artifacts and results to an object store or another folder, and fetch them.",
)
app.add_typer(store_app, name="store")
Url = Annotated[str, typer.Argument(help="Such as s3://bucket/folder, or a folder.")]


@store_app.command()
@guarded
def push(
    url: Url,
    results: Annotated[
        list[Path] | None, typer.Argument(help="Only what these result files name.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Read what is there, and send anew what is damaged.")
    ] = False,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """Send what the other side lacks: artifacts by key, then result files."""
    from harness.pipeline.store import remote
    from harness.pipeline.store.local import Store

    house = Store(place_of(store).store)
    _print(remote.push(url, house, reports, results or (), _tell, check), "sent", as_json)


@store_app.command()
@guarded
def pull(
    url: Url,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """Fetch what is missing here, and refuse what arrives damaged."""
    from harness.pipeline.store import remote
    from harness.pipeline.store.local import Store

    _print(remote.pull(url, Store(place_of(store).store), reports, _tell), "fetched", as_json)


def _tell(progress: Progress) -> None:
    if progress.done % 20 == 0 or progress.done == progress.total:
        print(f"{progress.done}/{progress.total} {progress.note}", file=sys.stderr)


def _print(moved: Moved, verb: str, as_json: bool) -> None:
    if as_json:
        return show(vars(moved) | {"differ": list(moved.differ)})
    print(
        f"{verb} {moved.artifacts} artifacts ({moved.files} files, {moved.bytes / 1e6:.1f} MB) "
        f"and {moved.results} result files; {moved.there} artifacts were there"
    )
    for name in moved.differ:
        print(f"differs on the other side, and was left as it is: {name}")
