"""Commands about the place itself."""

from __future__ import annotations

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
    guarded,
    place_of,
    show,
)


@app.command()
@guarded
def dashboard(
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8501,
    host: Annotated[str, typer.Option(help="Who may look; 0.0.0.0 is everybody.")] = "127.0.0.1",
    allow_write: Annotated[
        bool, typer.Option("--allow-write", help="Let visitors vote and accept baselines.")
    ] = False,
    export: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a site of files instead; no server.")
    ] = None,
    benchmark: BenchmarkName = None,
    as_json: Json = False,
) -> None:
    """Browse results in a browser: read-only, on this machine alone, unless told otherwise."""
    from harness.views.server import serve
    from harness.views.site import write

    place = place_of(store, reports)
    if export is None:
        raise SystemExit(serve(place, port, host, allow_write))
    written = write(place, export, benchmark)
    if as_json:
        return show({"index": str(written.index), "files": written.files, "bytes": written.bytes})
    print(f"{written.index}  ({written.files} files, {written.bytes / 1e6:.1f} MB)")


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

    findings = api.doctor(place_of(store))
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
def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    device: DeviceName = Device.auto,
    as_json: Json = False,
) -> None:
    """Remove artifacts that no result names."""
    from harness import api

    garbage = api.gc(place_of(store, reports), dry_run)
    if as_json:
        return show({"folders": [str(path) for path in garbage.folders], "bytes": garbage.bytes})
    verb = "would remove" if dry_run else "removed"
    print(f"{verb} {len(garbage.folders)} folders, {garbage.bytes / 1e6:.1f} MB")
