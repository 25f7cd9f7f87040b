"""The leaderboard, grid and compare as one folder of files: no server, no network.

It uses the dashboard's components and values. A picture's file name is its digest, so a second
export writes only new pictures.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

from harness.api.options import Workspace
from harness.decisions.leaderboard import Board
from harness.errors import HarnessError, UsageError
from harness.escaping import printable
from harness.files import whole, write_bytes, write_text
from harness.fingerprint import digest_bytes
from harness.report.blame import sentence as blame_sentence
from harness.report.comparison import sentence
from harness.report.environment import environment
from harness.report.leaderboard import as_csv
from harness.views import blames, comparison, components, leaderboard, pictures, sweeps
from harness.views.blames import Shown
from harness.views.grids import shots_by_place, shown
from harness.views.leaderboard import Choice
from harness.views.reports_index import Entry, ReportsIndex
from harness.views.space import write_card

PICTURED, COMPARED = 24, 6
"""Rows of a board, from the top, that come with pictures, and that are compared with each other."""
PARTS = ("board", "grid", "compare")
DAMAGED = (HarnessError, OSError, ValueError)
"""What is raised where a file beside a result is not what it should be."""


@dataclass(frozen=True)
class Written:
    """A site that was written."""

    index: Path
    files: int
    bytes: int


def write(
    workspace: Workspace, out: Path, benchmark: str | None = None, space: bool = False
) -> Written:
    """Write the site of a reports folder, or of one benchmark's boards in it; where it is for a
    `space` of the hub, with its card."""
    index = ReportsIndex(workspace.reports, workspace.store)
    chosen = [each for each in index.boards() if benchmark in (None, each.benchmark)]
    if not chosen:
        raise UsageError(
            f"no results {f'of {benchmark} ' if benchmark else ''}in {workspace.reports}",
            hint="make some: `harness demo`",
        )
    for entry in index.entries():
        if entry.problem:
            _say(f"left out: {entry.problem}")
    if space:
        write_card(out, chosen)
    (out / "pictures").mkdir(parents=True, exist_ok=True)
    boards = [_board(index, each, out) for each in chosen]
    blamed = [_blame(each, out) for each in blames.blames(index.reports)]
    write_text(out / "leaderboard.csv", as_csv(chosen))
    shown = {"blames": [each for each in blamed if each], "sweeps": _sweeps(index, benchmark)}
    write_text(out / "index.html", page("harness", boards, shown))
    files = [file for file in out.rglob("*") if file.is_file()]
    return Written(out / "index.html", len(files), sum(file.stat().st_size for file in files))


def page(
    title: str,
    boards: Sequence[Mapping[str, Any]],
    shown: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> str:
    """Return the page; the only script that runs in it is the one it was written with."""
    script = _script()
    facts = json.dumps(
        {"title": title, "boards": boards, "blames": [], "sweeps": [], **(shown or {})},
        ensure_ascii=False,
        allow_nan=False,
    )
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode()
    return (
        environment()
        .get_template("site.html.j2")
        .render(
            title=title,
            script=script,
            script_digest=digest,
            facts=_inert(facts),
            style=components.style(),
        )
    )


def _inert(facts: str) -> str:
    """Return JSON that no reader of HTML can take for the end of a script or for a tag."""
    return facts.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _script() -> str:
    """Return the components, each in a scope of its own, then their host."""
    texts = {name: components.source(name) for name in ("shared", *PARTS, "site")}
    wrapped = [
        f"components.{name} = (() => {{\n"
        f"{texts[name].replace('export default function', 'return function')}\n}})();"
        for name in PARTS
    ]
    return "\n".join([texts["shared"], "const components = {};", *wrapped, texts["site"]])


def _board(index: ReportsIndex, board: Board, out: Path) -> dict[str, Any]:
    view = leaderboard.table(index, board, Choice(metrics=board.metrics), lambda entries: None)
    shown_metrics = set(board.headlines)
    view["metrics"] = [head for head in view["metrics"] if head["name"] in shown_metrics]
    top = [row["name"] for row in view["rows"] if not row.get("reference")][:PICTURED]
    entries = [each for each in index.entries() if each.name in top]
    named = {row["name"]: number for number, row in enumerate(view["rows"])}
    best = sorted(entries, key=lambda each: named[each.name])[:COMPARED]
    shots = {each.name: _pictured(index, each, out) for each in entries}
    for row in view["rows"]:
        row["thumb"] = next(
            (shot["src"] for shot in shots.get(row["name"], ()) if shot["src"]), None
        )
    return {
        **view,
        "shots": {name: each for name, each in shots.items() if each},
        "comparisons": _comparisons(best),
    }


def _sweeps(index: ReportsIndex, benchmark: str | None) -> list[dict[str, Any]]:
    """Return what is shown of every sweep that says which point to take."""
    return [
        sweeps.values(each)
        for recipe in index.swept_recipes()
        for each in sweeps.sweeps_of(index, recipe)
        if each.advice is not None and benchmark in (None, each.benchmark)
    ]


def _blame(shown: Shown, out: Path) -> dict[str, Any] | None:
    """Return a blame once its sheets are written; None, with word of it, where it is damaged."""
    if shown.blame is None:
        _say(f"left out: {shown.name}: {shown.problem}")
        return None
    sheets = []
    for title, name in blames.SHEETS.items():
        data = blames.sheet(shown.folder, name)
        if data is not None:
            target = f"blame/{digest_bytes(data)[:32]}.png"
            (out / "blame").mkdir(exist_ok=True)
            write_bytes(out / target, data)
            sheets.append({"title": title, "src": target})
    return {
        "name": shown.name,
        "on": shown.blame.on,
        "sentence": blame_sentence(shown.blame),
        "notes": list(shown.blame.notes),
        "sheets": sheets,
        "rows": blames.rows(blames.ends(shown.blame)),
    }


def _say(what: str) -> None:
    print(printable(what), file=sys.stderr)


def _pictured(index: ReportsIndex, entry: Entry, out: Path) -> list[dict[str, Any]]:
    """Return a result's images once they are written; none where they cannot be read."""
    try:
        _copy(index, entry, out)
        return _shots(index, entry)
    except DAMAGED as error:
        _say(f"{entry.name} comes without pictures: {error}")
        return []


def _copy(index: ReportsIndex, entry: Entry, out: Path) -> None:
    """Write the pictures of a result that are not there yet."""
    for shot in shots_by_place(index, entry).values():
        file = out / "pictures" / (shot.picture or "-")
        if shot.picture is None or file.exists():
            continue
        served = pictures.at_address(index, pictures.small_address(entry, shot) or "")
        if served is not None and served.data is not None:
            with whole(file, flush=False) as part:
                part.write_bytes(served.data)


def _shots(index: ReportsIndex, entry: Entry) -> list[dict[str, Any]]:
    """Return a result's images with their values, and where the site has their pictures."""
    encoded = []
    for shot in shots_by_place(index, entry).values():
        whole = shown(index, entry, shot)
        kept = {name: whole[name] for name in ("prompt", "seed", "text", "reason", "scores")}
        encoded.append({**kept, "src": f"pictures/{shot.picture}" if shot.picture else None})
    return encoded


def _comparisons(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return every one of the best beside every other, as far as they can be compared."""
    compared, lost = [], []
    for a, b in permutations(entries, 2):
        try:
            compared.append(_compared(a, b))
        except DAMAGED as error:
            lost.append(f"{a.name} beside {b.name}: {error}")
    if lost:
        _say(f"{len(lost)} comparisons are left out, such as {lost[0]}")
    return compared


def _compared(a: Entry, b: Entry) -> dict[str, Any]:
    """Return one result beside another; what JSON cannot say is a ValueError."""
    compared = comparison.comparison(a, b)
    assert a.result is not None
    assert b.result is not None
    changes = comparison.changes(a.result, b.result)
    document = {
        "a": a.recipe,
        "b": b.recipe,
        "sentence": sentence(compared),
        "findings": comparison.findings(compared),
        "changes": [[each.field, *each.values] for each in changes],
    }
    json.dumps(document, allow_nan=False)
    return document
