"""Commands about this machine, the store and the shell: doctor, verify, gc, store, schema, …"""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import harness
from harness.cli import complete
from harness.cli.options import (
    REPORTS,
    Json,
    NoWait,
    ReportsDir,
    StoreDir,
    workspace_of,
)
from harness.cli.output import say, show
from harness.cli.program import app, command, new_app
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.decisions.verification import Verification
    from harness.interfaces import Progress
    from harness.pipeline.store.remote import Moved


@command("upkeep", "harness doctor")
def doctor(store: StoreDir = None, as_json: Json = False) -> None:
    """Show what this machine can do, and what is missing."""
    findings = harness.doctor(workspace=workspace_of(store))
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
            say(f"{mark}  {each.name:<16} {each.found}{advice}")
    if any(not each.ok and each.needed for each in findings):
        raise SystemExit(1)


@command("upkeep", "harness verify reports/pocket-v1/pocket-ninja.json")
def verify(
    result: Annotated[
        Path | None,
        typer.Argument(autocompletion=complete.results, help="A result file.", show_default=False),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every result below --reports, a line each.")
    ] = False,
    mend: Annotated[
        bool,
        typer.Option(
            "--mend", help="Set aside what is damaged and what was made of it: run it again then."
        ),
    ] = False,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    as_json: Json = False,
) -> None:
    """Check that a result is what its artifacts say.

    Keys, scores, tables and pictures are compared with the store, and the scores are computed again
    from the features. It ends in 1 where something differs, and in 4 where artifacts are elsewhere,
    so that not all could be compared.
    """
    from harness.api.upkeep import set_aside, verification, verifications

    if (result is None) is not every or (every and mend):
        raise UsageError("give either a result file or --all", hint="`harness verify --help`")
    workspace = workspace_of(store, reports)
    found = [verification(result, workspace)] if result else list(verifications(workspace))
    if as_json:
        show(_verified(found[0]) if result else {"results": [_verified(each) for each in found]})
    for each in found:
        lines = [f"  {line}" for line in each.lines()]
        if lines or not as_json:
            say("\n".join([_summary(each), *lines]), file=sys.stderr if lines else sys.stdout)
    if mend and result:
        names = ", ".join(set_aside(result, workspace)) or "nothing"
        say(f"set aside: {names}; the next run makes it again", file=sys.stderr)
    code = max((_code(each) for each in found), key=CODES.index, default=0)
    if code:
        raise SystemExit(code)


CODES = (0, 4, 1)
"""Exit codes of `verify`, the worst last."""


def _code(each: Verification) -> int:
    return 1 if each.problems else 4 if each.unchecked else 0


def _summary(each: Verification) -> str:
    if each.problems:
        return f"{each.file} does not hold (damage is made again after `harness verify --mend`):"
    if each.unchecked:
        return f"{each.file} agrees with itself, and not all of it could be compared:"
    return f"{each.file} is valid: {each.artifacts} artifacts, scores, tables and pictures agree"


def _verified(each: Verification) -> dict[str, Any]:
    return {
        "file": str(each.file),
        "ok": not each.lines(),
        "problems": list(each.problems),
        "unchecked": list(each.unchecked),
        "artifacts": each.artifacts,
    }


@command("upkeep", "harness gc --dry-run")
def gc(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be removed.")
    ] = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Go on where the file system keeps no locks.")
    ] = False,
    no_wait: NoWait = False,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    as_json: Json = False,
) -> None:
    """Remove artifacts that no result names.

    It waits until no other command uses the store.
    """
    garbage = harness.gc(
        dry_run=dry_run, anyway=anyway, workspace=workspace_of(store, reports, wait=not no_wait)
    )
    if as_json:
        return show({"folders": [str(path) for path in garbage.folders], "bytes": garbage.bytes})
    verb = "would remove" if dry_run else "removed"
    say(f"{verb} {len(garbage.folders)} folders, {garbage.bytes / 1e6:.1f} MB")


store_app = new_app("Send artifacts and results to another store, or fetch them.")
app.add_typer(store_app, name="store", rich_help_panel="upkeep")
Url = Annotated[str, typer.Argument(help="A folder, or an address such as s3://bucket/folder.")]


@command(None, "harness store push ../backup", parent=store_app)
def push(
    url: Url,
    results: Annotated[
        list[Path] | None,
        typer.Argument(
            autocompletion=complete.results,
            show_default="all",
            help="Result files: send only what these name.",
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Read what is there, and replace what is damaged.")
    ] = False,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    as_json: Json = False,
) -> None:
    """Send what the other side lacks."""
    workspace = workspace_of(store, reports)
    moved = harness.push(url, results or (), check=check, on_progress=_tell, workspace=workspace)
    _print(moved, "sent", as_json)


@command(None, "harness store pull ../backup", parent=store_app)
def pull(
    url: Url,
    no_wait: NoWait = False,
    store: StoreDir = None,
    reports: ReportsDir = REPORTS,
    as_json: Json = False,
) -> None:
    """Fetch what is missing here, and refuse damaged files."""
    workspace = workspace_of(store, reports, wait=not no_wait)
    _print(harness.pull(url, on_progress=_tell, workspace=workspace), "fetched", as_json)


def _tell(progress: Progress) -> None:
    if progress.done % 20 == 0 or progress.done == progress.total:
        say(f"{progress.done}/{progress.total} {progress.note}", file=sys.stderr)


def _print(moved: Moved, verb: str, as_json: bool) -> None:
    if as_json:
        return show(vars(moved) | {"differ": list(moved.differ)})
    say(
        f"{verb} {moved.artifacts} artifacts ({moved.files} files, {moved.bytes / 1e6:.1f} MB) "
        f"and {moved.results} result files; {moved.there} artifacts were there"
    )
    for name in moved.differ:
        say(f"left as it is, because the two sides differ: {name}")


@command("upkeep", "harness schema --out schemas")
def schema(
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder to write into.")] = Path(
        "harness/schemas"
    ),
    as_json: Json = False,
) -> None:
    """Write the JSON Schema of every kind of page, for editors."""
    from harness.files import write_text

    for name, text in harness.schemas().items():
        write_text(out / name, text)
        say(out / name, file=sys.stderr if as_json else sys.stdout)
    if as_json:
        show({"files": [str(out / name) for name in harness.schemas()]})


class Shell(StrEnum):
    bash = "bash"
    zsh = "zsh"
    fish = "fish"


@command("upkeep", "harness completion bash")
def completion(
    shell: Annotated[Shell, typer.Argument(help="The shell that you use.")],
) -> None:
    """Print the script that completes commands in a shell.

    Bash: add `eval "$(harness completion bash)"` to ~/.bashrc. Zsh: the same in ~/.zshrc, after
    compinit. Fish: `harness completion fish > ~/.config/fish/completions/harness.fish`.
    """
    say(complete.script(shell.value))
