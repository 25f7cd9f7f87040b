"""The page of what metrics answer on real art, made from the figures alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.metrics.statistics.intervals import clopper_pearson

HEAD = """\
# What our metrics see in real art

<!-- Written by `python performance/validity.py` from validity.json. Do not edit. -->

{count} artists drew the same {concepts:,} things (emoji families). The reference of an artist is \
what the artist drew of one half of them. What is judged shows the other half: drawn by the same \
artist, or by another. Relatives, such as a clock at one and at two, are in one half \
({groups:,} groups, `performance/art/concepts.py`).

- **one picture**: how often a picture of the artist comes before one of another artist (AUC; 0.5 \
is a guess). The interval is over artists, so it holds for an artist who is not here; the weakest \
pair stands beside it.
- **50 pictures**: the same for sets of 50 pictures.
- **power**: in what share of pairs the metric is sure, prompt by prompt, that 50, 100 or 200 \
pictures of another artist are worse.
- **null**: how often two sets of 50 or 100 pictures by one artist, of different things, are told \
apart. That is a false alarm; 5 % of them are due. *high* marks a share that is surely above that.
- **in order**: in what share of pairs each further quarter of right pictures is found better.

*px* is the side at which the network sees pictures. The drawings are {side} px large.
"""
PROBE = """\
`style-probe` stands there in three rows. *named*: it knew other drawings of all artists. *alone*: \
it knew those of the other artist that is judged, as it knows the bare base. *stranger*: it knew \
all artists but that one. Where it is not sure to tell the artist, it has no value; the last \
column counts such pairs.
"""
COLUMNS = (
    "metric",
    "features",
    "px",
    "one picture",
    "weakest pair",
    "50 pictures",
    "power 50 / 100 / 200",
    "null 50, 100",
    "in order",
    "no value",
)


def page_of(figures: Mapping[str, Any]) -> str:
    """Return the page in Markdown; rows that see more stand first."""
    head = HEAD.format(
        count=len(figures["families"]),
        concepts=figures["concepts"],
        groups=figures["groups"],
        side=figures["side"],
    )
    rows = sorted(figures["rows"], key=_rank)
    parts = [head, *_table(COLUMNS, [list(_cells(row)) for row in rows]), "", PROBE]
    parts += ["## How large a picture must be", "", *_by_size(figures["rows"]), ""]
    parts += ["## The artists", "", *_artists(figures["families"]), ""]
    return "\n".join(parts)


def _by_size(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what is had at each size, of every metric that was asked at several."""
    tables: dict[tuple[str, str, str], dict[int, str]] = {}
    for row in rows:
        name = row["metric"], row["others"] or "", row["features"]
        said = _ends(row["image_auc"] or row["set_auc"])
        reached = _share(row["power"]["50"])
        tables.setdefault(name, {})[row["px"] or 0] = f"{said}, power {reached}"
    several = {name: found for name, found in tables.items() if len(found) > 1}
    sizes = sorted({px for found in several.values() for px in found})
    lines = [
        [f"`{metric}`" + (f" *{others}*" if others else ""), f"`{features}`"]
        + [found.get(px, "–") for px in sizes]
        for (metric, others, features), found in several.items()
    ]
    what = "The AUC of one picture, or else of 50, and the power at 50 pictures:"
    return [what, "", *_table(("metric", "features", *(f"{px} px" for px in sizes)), lines)]


def _rank(row: Mapping[str, Any]) -> tuple[float, ...]:
    reached = [value or 0.0 for value in row["power"].values()]
    return tuple(-value for value in (*reached, (row["set_auc"] or [0.0])[0]))


def _cells(row: Mapping[str, Any]) -> Iterator[str]:
    yield f"`{row['metric']}`" + (f" *{row['others']}*" if row["others"] else "")
    yield f"`{row['features']}`"
    yield str(row["px"] or "–")
    yield _ends(row["image_auc"])
    yield _pair(row["weakest"])
    yield _ends(row["set_auc"])
    yield " / ".join(_share(value) for value in row["power"].values())
    yield ", ".join(_null(*row["null"][size]) for size in row["null"])
    yield _share(row["in_order"])
    yield f"{row['lacking']} of {row['pairs']}" if row["lacking"] else ""


def _ends(ends: Sequence[float] | None) -> str:
    return "–" if ends is None else f"{ends[0]:.2f} [{ends[1]:.2f}, {ends[2]:.2f}]"


def _pair(weakest: Sequence[Any] | None) -> str:
    return "–" if weakest is None else f"{weakest[2]:.2f} ({weakest[0]}, {weakest[1]})"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}".replace("%", " %")


def _null(found: int, tried: int) -> str:
    if not tried:
        return "–"
    low, _ = clopper_pearson(found / tried, tried)
    return f"{found} of {tried}" + (" *high*" if low > 0.05 else "")


def _artists(families: Sequence[Mapping[str, str]]) -> list[str]:
    rows = [
        [each["name"], each["title"], each["author"], each["licence"], each["source"]]
        for each in families
    ]
    return _table(("name", "family", "author", "licence", "source"), rows)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [columns, ["---"] * len(columns), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]
