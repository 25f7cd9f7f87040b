"""A blame as `harness blame` leaves it below the reports, for tests of what shows it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.decisions.blame import BEST, WORST, Blame, BlamedPicture, write_blame
from harness.pipeline.results.blame import TABLE
from harness.report.blame import sheet

ODD = 'a"b\\c: \u706b#1.png'
"""The id of the picture that surely hurt."""


def put_blame(
    reports: Path, recipe: str = "ink", count: int = 4, texts: Sequence[str] = ("a ninja",)
) -> Path:
    """Write a blame of pictures, the first of which surely hurt; return its folder."""
    folder = reports / "blame" / recipe / "held-out"
    folder.mkdir(parents=True)
    names = [ODD, *(f"{number:03d}.png" for number in range(1, count))]
    pictures = tuple(
        BlamedPicture(0, name, texts[at % len(texts)], at - 1.0, at - 1.5, at - 0.5, 0.1)
        for at, name in enumerate(names)
    )
    blame = Blame(recipe, "held-out", 64, (100,), pictures, ("a note",))
    write_blame(blame, folder / TABLE)
    for name in (WORST, BEST):
        (folder / name).write_bytes(sheet(blame.worst(2), {}))
    return folder
