"""A curated set → a table for a terminal, and a page with what was kept and what was dropped."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from harness.pipeline.curate import Curated
from harness.report.environment import environment
from harness.report.terminal import Terminal, new_table

THUMBNAIL = 160
CHARTS = (
    ("sides", "Shorter side in pixels"),
    ("aspects", "Width / height"),
    ("buckets", "Buckets"),
    ("ratings", "Ratings"),
    ("tags", "Tags"),
)


@dataclass(frozen=True)
class Bar:
    """One bar of a chart."""

    name: str
    count: int
    percent: float
    """Of the longest bar."""


@dataclass(frozen=True)
class Stage:
    """One rule of the funnel, all in percent of the rows that came in."""

    rule: str
    left: int
    dropped: int
    stays: float
    goes: float


def curation_page(made: Curated) -> str:
    """Return one page that needs no network."""
    document = made.document
    charts = [(title, bars(document[name])) for name, title in CHARTS if document[name]]
    sheet = [(prompt, _thumbnail(image)) for prompt, image in made.sheet]
    return (
        environment()
        .get_template("curation.html.j2")
        .render(
            document=document,
            chosen=made.chosen,
            funnel=funnel(document),
            charts=charts,
            sheet=sheet,
            total=document["funnel"][0]["left"],
            size=THUMBNAIL,
        )
    )


def bars(counts: Sequence[Sequence[Any]]) -> list[Bar]:
    longest = max((count for _, count in counts), default=0) or 1
    return [Bar(name, count, round(100 * count / longest, 1)) for name, count in counts]


def funnel(document: dict[str, Any]) -> list[Stage]:
    stages = document["funnel"]
    total = stages[0]["left"] or 1
    return [
        Stage(
            each["rule"],
            each["left"],
            each["dropped"],
            round(100 * each["left"] / total, 2),
            round(100 * each["dropped"] / total, 2),
        )
        for each in stages
    ]


def print_curated(made: Curated, console: Terminal) -> None:
    """Write the funnel as a table, then where the set lies."""
    table = new_table(f"{made.document['name']} · {made.chosen}")
    for name in ("rule", "dropped", "left", "share"):
        table.add_column(name, justify="left" if name == "rule" else "right")
    for each in funnel(made.document):
        dropped = f"{each.dropped:,}" if each.dropped else ""
        table.add_row(each.rule, dropped, f"{each.left:,}", f"{each.stays:.1f} %")
    console.print(table)
    state = "is there already, unchanged" if made.reused else "written"
    console.print(f"{made.folder} {state}: {made.document['kept']:,} rows")


def _thumbnail(image: Image.Image) -> str:
    """Return a small copy as a data URI."""
    small = image.copy()
    small.thumbnail((THUMBNAIL * 2, THUMBNAIL * 2))
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=80)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
