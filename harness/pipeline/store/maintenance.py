"""Which artifacts no result needs."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.pipeline.results.file import result_files
from harness.pipeline.store.local import MANIFEST, Store


@dataclass(frozen=True)
class Garbage:
    """What `gc` would remove or has removed."""

    folders: tuple[Path, ...]
    bytes: int


def collect_garbage(store: Store, reports: Path, dry_run: bool, anyway: bool = False) -> Garbage:
    """Remove artifacts that no result names, and the leftovers of steps that never finished.

    It waits until no other process holds the store. `anyway` is to go on where the file system
    keeps no locks.
    """
    if not reports.is_dir():
        raise UsageError(
            f"there is no folder {reports}: every artifact would look unused",
            hint="give --reports the folder with the results that are to stay",
        )
    if dry_run:
        with store.hold("gc --dry-run", writes=False):
            return _garbage(store, reports)
    with store.hold_alone("gc", anyway):
        garbage = _garbage(store, reports)
        for folder in garbage.folders:
            (folder / MANIFEST).unlink(missing_ok=True)  # cut off here, it is no artifact any more
            shutil.rmtree(folder)
    return garbage


def _garbage(store: Store, reports: Path) -> Garbage:
    """Return what no result names."""
    named = {
        key
        for folder in (reports, store.root / "rehearsals")
        for file in result_files(folder)
        for key in file.result.keys.values()
    }
    unused = [artifact.path for artifact in store.artifacts() if artifact.key not in named]
    folders = [*unused, *store.leftovers()]
    size = sum(
        file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file()
    )
    return Garbage(tuple(folders), size)
