"""A blame → a document, a table for a terminal, and sheets of the worst and the best pictures."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from textwrap import shorten
from typing import Any

from PIL import Image, ImageDraw

from harness.data.opening import open_image
from harness.decisions.blame import Blame, BlamedPicture
from harness.escaping import printable
from harness.pipeline.stages.files import UNREADABLE
from harness.report.numbers import ranged
from harness.report.terminal import Terminal, new_table

SIDE, WORDS, ACROSS, EDGE = 144, 30, 6, 6
"""Pixels of a picture on a sheet and of the words below it; pictures in a row; pixels between."""
CAPTION = 90
"""Signs of a caption that a terminal shows."""
PAPER, INK, LOST = "#ffffff", "#22202a", "#d9d5cc"


def blame_document(blame: Blame, folder: Path, shown: int) -> dict[str, Any]:
    """Return the facts, and as many pictures from either end as are `shown`."""
    return {
        "recipe": blame.recipe,
        "on": blame.on,
        "asked": blame.asked,
        "checkpoints": list(blame.checkpoints),
        "pictures": len(blame.pictures),
        "counts": blame.counts(),
        "notes": list(blame.notes),
        "worst": [_shown(each) for each in blame.worst(shown)],
        "best": [_shown(each) for each in blame.best(shown)],
        "folder": str(folder),
    }


def _shown(picture: BlamedPicture) -> dict[str, Any]:
    return {**asdict(picture), "side": picture.side}


def print_blame(blame: Blame, folder: Path, shown: int, console: Terminal) -> None:
    """Write the worst and the best pictures as a table, then what follows from it."""
    table = new_table(
        f"{blame.recipe} · blame on {blame.on}",
        "influence: 1 is as far as a typical picture, below 0 a picture hurt",
    )
    table.add_column("picture", style="bold", no_wrap=True)
    table.add_column("influence", justify="right", no_wrap=True)
    table.add_column("says", no_wrap=True)
    table.add_column("caption")
    worst = blame.worst(shown)
    for each in [*worst, *reversed(blame.best(min(shown, len(blame.pictures) - len(worst))))]:
        number = ranged(each.value, each.low, each.high)
        table.add_row(_plain(each.id), number, each.side, shorten(each.text, CAPTION))
    console.print(table)
    console.print(sentence(blame))
    for note in blame.notes:
        console.print(f"Note: {note}")
    console.print(f"All pictures, and sheets of the worst and the best: {folder}")


def sentence(blame: Blame) -> str:
    """Return what was found, and what to do with it."""
    counts = blame.counts()
    found = (
        f"Of {len(blame.pictures)} pictures {counts['hurt']} hurt and {counts['helped']} helped; "
        f"{counts['unclear']} cannot be told."
    )
    if not counts["hurt"]:
        return found
    return f"{found} Look at the worst; data.without: [{blame.pictures[0].id}, …] leaves some out."


def sheet(pictures: Sequence[BlamedPicture], files: Mapping[tuple[int, str], Path]) -> bytes:
    """Return pictures with their influence as one PNG; `files` are by set and id."""
    rows = -(-max(1, len(pictures)) // ACROSS)
    width, height = SIDE + EDGE, SIDE + WORDS + EDGE
    page = Image.new("RGB", (ACROSS * width + EDGE, rows * height + EDGE), PAPER)
    pen = ImageDraw.Draw(page)
    for number, each in enumerate(pictures):
        left, top = EDGE + number % ACROSS * width, EDGE + number // ACROSS * height
        small = _small(files.get((each.set, each.id)))
        if small is None:
            pen.rectangle((left, top, left + SIDE - 1, top + SIDE - 1), LOST)
        else:
            page.paste(small, (left + (SIDE - small.width) // 2, top + (SIDE - small.height) // 2))
        words = f"{_plain(each.id)}\n{each.value:+.2f} [{each.low:.2f}, {each.high:.2f}]"
        pen.multiline_text((left, top + SIDE + 2), words, INK, spacing=1)
    buffer = io.BytesIO()
    page.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _plain(name: str) -> str:
    """Return the end of a name, in letters that every font has."""
    plain = printable(name).encode("ascii", "replace").decode()
    return plain if len(plain) <= 23 else f"...{plain[-20:]}"


def _small(file: Path | None) -> Image.Image | None:
    """Return a picture as it goes on a sheet; None where it is missing or cannot be read."""
    try:
        if file is None:
            return None
        with open_image(file) as image:
            picture = image.convert("RGB")
    except UNREADABLE:
        return None
    scale = SIDE / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS)
