"""Which training pictures helped and which hurt: every blame below the reports, as plain values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.decisions.blame import BEST, WORST, Blame, BlamedPicture, blames_in, read_blame
from harness.errors import HarnessError
from harness.files import read_regular
from harness.pipeline.results.blame import TABLE
from harness.report.numbers import ranged

SHEETS = {"The worst": WORST, "The best": BEST}
ENDS = 24
"""Pictures that the static site lists of either end."""
_PNG, _LARGEST = b"\x89PNG\r\n\x1a\n", 32_000_000


@dataclass(frozen=True)
class Shown:
    """A blame and where it is; `problem` says why it cannot be read."""

    folder: Path
    blame: Blame | None
    problem: str = ""

    @property
    def name(self) -> str:
        """Return its recipe and its question, as its folders are called."""
        return f"{self.folder.parent.name} · {self.folder.name}"


def blames(reports: Path) -> list[Shown]:
    """Return every blame below a reports folder, in order of their names."""
    return [_read(folder) for folder in blames_in(reports)]


def _read(folder: Path) -> Shown:
    try:
        return Shown(folder, read_blame(folder / TABLE))
    except HarnessError as error:
        return Shown(folder, None, str(error))


def rows(pictures: Sequence[BlamedPicture]) -> list[dict[str, Any]]:
    """Return a row a picture, for a table."""
    return [
        {
            "picture": each.id,
            "influence": ranged(each.value, each.low, each.high),
            "says": each.side,
            "loss": f"{each.loss:.4f}",
            "caption": each.text,
        }
        for each in pictures
    ]


def left_out(blame: Blame) -> str:
    """Return the lines of a recipe that leave out what surely hurt; nothing if nothing did."""
    ids = [each.id for each in blame.pictures if each.side == "hurt"]
    lines = [f"    - {json.dumps(name, ensure_ascii=False)}" for name in ids]
    return "\n".join(["data:", "  without:", *lines]) if ids else ""


def sheet(folder: Path, name: str) -> bytes | None:
    """Return a sheet of pictures as PNG; None where it is missing or no PNG."""
    try:
        data = read_regular(folder / name, _LARGEST)
    except (OSError, ValueError):
        return None
    return data if data.startswith(_PNG) else None


def ends(blame: Blame) -> list[BlamedPicture]:
    """Return the worst pictures, then the best ones, each once."""
    count = min(ENDS, len(blame.pictures))
    best = blame.best(min(ENDS, len(blame.pictures) - count))
    return [*blame.worst(count), *reversed(best)]
