"""Commands about the place itself."""

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
    show,
    workspace_of,
)

if TYPE_CHECKING:
    from harness.interfaces import Progress
    from harness.pipeline.store.remote import Moved


@app.command()
@guarded
def doctor(
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """What this machine can do, and what is missing for the rest."""
    from harness import api

    findings = api.doctor(workspace_of(store))
    if as_json:
        show(
            {
                "ok": all(each.ok for each in findings if each.needed),
                "findings": [vars(each) for each in findings],
            }
        )
    else:
        for each in findings:
            mark = "ok     " if each.ok else "MISSING" if each.needed else "without"
            advice = f"  → {each.advice}" if each.advice and not each.ok else ""
            print(f"{mark}  {each.name:<16} {each.found}{advice}")
    if any(not each.ok and each.needed for each in findings):
        raise SystemExit(1)


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

    problems = api.verify(result, workspace_of(store).store)
    if as_json:
        show({"ok": not problems, "problems": problems})
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        raise SystemExit(1)
    if not as_json:
        print(f"{result} holds: every artifact it names is as it was made")


@app.command()
@guarded
def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """Remove artifacts that no result names."""
    from harness import api

    garbage = api.gc(workspace_of(store, reports), dry_run)
    if as_json:
        return show({"folders": [str(path) for path in garbage.folders], "bytes": garbage.bytes})
    verb = "would remove" if dry_run else "removed"
    print(f"{verb} {len(garbage.folders)} folders, {garbage.bytes / 1e6:.1f} MB")


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

    house = Store(workspace_of(store).store)
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

    _print(remote.pull(url, Store(workspace_of(store).store), reports, _tell), "fetched", as_json)


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


@app.command()
@guarded
def schema(
    out: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("harness/schemas"),
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """Write the JSON Schema of every kind of page, for editors."""
    from harness import api
    from harness.files import write_text

    for name, text in api.schemas().items():
        write_text(out / name, text)
        print(out / name, file=sys.stderr if as_json else sys.stdout)
    if as_json:
        show({"files": [str(out / name) for name in api.schemas()]})
