"""Look after the store and the machine."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from harness.api.options import Options, with_options, workspace_of
from harness.pages.schemas import schemas as written
from harness.pipeline.doctor import Finding, examine
from harness.pipeline.store import maintenance
from harness.pipeline.store.local import Store
from harness.pipeline.store.maintenance import Garbage


@with_options
def verify(result: str | Path, **options: Unpack[Options]) -> list[str]:
    """Return every way in which a result differs from what the store holds.

    >>> harness.verify(reports / "tiny-v1" / "tiny.json")
    []
    """
    return maintenance.verify(Path(result), workspace_of(options).store)


@with_options
def doctor(**options: Unpack[Options]) -> list[Finding]:
    """Return what this machine can do, and what is missing for the rest.

    >>> all(finding.ok for finding in harness.doctor() if finding.needed)
    True
    """
    return examine(workspace_of(options).store)


@with_options
def gc(*, dry_run: bool = False, **options: Unpack[Options]) -> Garbage:
    """Remove the artifacts that no result names; with `dry_run`, only list them.

    >>> harness.gc(dry_run=True).bytes >= 0
    True
    """
    workspace = workspace_of(options)
    return maintenance.collect_garbage(Store(workspace.store), workspace.reports, dry_run)


def schemas() -> dict[str, str]:
    """Return the JSON Schema of every kind of page, as text.

    >>> "recipe.v1.json" in harness.schemas()
    True
    """
    return written()
