"""Look after the store and the machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Unpack

from harness.api.options import Options, Workspace, with_options, workspace_of
from harness.decisions.verification import Verification, set_aside_unsound
from harness.decisions.verification import verify as verify_result
from harness.decisions.verification import verify_all as verify_results
from harness.errors import UsageError
from harness.pages.schemas import schemas as written
from harness.pipeline.doctor import Finding, examine
from harness.pipeline.store import maintenance
from harness.pipeline.store.maintenance import Garbage


@with_options
def verify(result: str | Path, **options: Unpack[Options]) -> list[str]:
    """Return every reason not to take a result for granted: what differs, and what is not there.

    Its keys, scores, tables and pictures are compared with the store, and the scores computed again
    from the features.

    >>> harness.verify(reports / "tiny-v1" / "tiny.json")
    []
    """
    return verification(Path(result), workspace_of(options)).lines()


@with_options
def verify_all(**options: Unpack[Options]) -> dict[Path, list[str]]:
    """Return what `verify` says of every result below the folder of reports, by its file.

    >>> any(harness.verify_all().values())
    False
    """
    return {each.file: each.lines() for each in verifications(workspace_of(options))}


def verification(result: Path, workspace: Workspace) -> Verification:
    """Return what is found about a result, with what differs apart from what is not there."""
    store = workspace.open_store()
    with store.hold("verify", writes=False):
        return verify_result(result, store)


def set_aside(result: Path, workspace: Workspace) -> list[str]:
    """Set aside what a result cannot stand on, for the next run to make again; name the steps."""
    store = workspace.open_store()
    with store.hold("verify --mend"):
        return set_aside_unsound(result, store)


def verifications(workspace: Workspace) -> Iterator[Verification]:
    """Yield what is found about every result below the folder of reports."""
    if not workspace.reports.is_dir():
        raise UsageError(f"there is no folder {workspace.reports}", hint="give --reports")
    store = workspace.open_store()
    with store.hold("verify --all", writes=False):
        yield from verify_results(workspace.reports, store)


@with_options
def doctor(**options: Unpack[Options]) -> list[Finding]:
    """Return what this machine can do, and what is missing for the rest.

    >>> all(finding.ok for finding in harness.doctor() if finding.needed)
    True
    """
    return examine(workspace_of(options).store)


@with_options
def gc(*, dry_run: bool = False, anyway: bool = False, **options: Unpack[Options]) -> Garbage:
    """Remove the artifacts that no result names; with `dry_run`, only list them.

    It waits for the processes that use the store. `anyway` goes on where the file system keeps no
    locks, so that nothing tells whether there are any.

    >>> harness.gc(dry_run=True).bytes >= 0
    True
    """
    workspace = workspace_of(options)
    return maintenance.collect_garbage(workspace.open_store(), workspace.reports, dry_run, anyway)


def schemas() -> dict[str, str]:
    """Return the JSON Schema of every kind of page, as text.

    >>> "recipe.v1.json" in harness.schemas()
    True
    """
    return written()
