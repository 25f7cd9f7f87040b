"""A board as a view shows it: rows of cells, each with its interval on the metric's own axis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from harness.decisions.breakdown import groups_of
from harness.decisions.leaderboard import BASE, BaseRow, Board, Row, score_in
from harness.errors import HarnessError
from harness.interfaces import Array
from harness.metrics.intervals import means_of
from harness.pages import benchmark as benchmarks
from harness.pages.folders import available
from harness.records import LICENSED, Result, Score, column_of
from harness.report.numbers import arrow, cell, duration, ranged, seeds
from harness.views.pictures import cover
from harness.views.reports_index import Entry, ReportsIndex
from harness.views.samples import Samples

Ends = tuple[float, float, float]
"""Value, low and high."""


@dataclass(frozen=True)
class Choice:
    """Which part of a board to show, and in what order."""

    metrics: tuple[str, ...] = ()
    """None: one a family."""
    group: str = ""
    """A suite or a tag; none: all prompts."""
    words: str = ""
    """What a recipe's name or summary holds."""
    sort: str = "rank"
    """A metric, `rank` or `recipe`."""
    falling: bool = False
    most: int | None = None
    """How many rows are shown, from the top; None: all of them."""


def groups_on(board: Board) -> dict[str, tuple[str, ...]]:
    """Return the suite and tags of every prompt of a board's benchmark, where its page is here."""
    files = [*available("benchmark").values(), *available("suite").values()]
    return _groups(board.benchmark, tuple((file, file.stat().st_mtime_ns) for file in files))


@lru_cache(maxsize=32)
def _groups(benchmark: str, written: tuple[tuple[Path, int], ...]) -> dict[str, tuple[str, ...]]:
    if benchmark not in available("benchmark"):
        return {}
    try:
        return groups_of(benchmarks.load(benchmark))
    except HarnessError:
        return {}  # the page is not finished


def group_names(board: Board) -> list[str]:
    """Return the suites and tags that do not hold every prompt."""
    groups = groups_on(board)
    counts: dict[str, int] = {}
    for names in groups.values():
        for name in names:
            counts[name] = counts.get(name, 0) + 1
    return [name for name, count in counts.items() if 1 < count < len(groups)]


def table(
    index: ReportsIndex, board: Board, choice: Choice, cover: Callable[[Entry], str | None] = cover
) -> dict[str, Any]:
    """Return a board as plain values for a table that draws itself."""
    entries = {each.recipe: each for each in index.entries() if _is_on(each, board)}
    metrics = choice.metrics or board.headlines
    rows = [row for row in board.rows if _says(row.result, choice.words)]
    values = {
        metric: _values(index, rows, entries, board, metric, choice.group) for metric in metrics
    }
    shown = _sorted(rows, choice, values.get(choice.sort, {}))[: choice.most]
    order = {row.result.recipe: number for number, row in enumerate(board.rows)}
    lines = [
        _line(board, row, entries.get(row.result.recipe), values, cover, choice.group)
        | {"order": order[row.result.recipe]}
        for row in shown
    ]
    if board.base_row is not None and not choice.group:
        lines = _with_base(lines, _base_line(board, board.base_row, metrics), choice)
    return {
        "benchmark": board.benchmark,
        "signature": board.signature,
        "ranking": board.ranking,
        "group": choice.group,
        "metrics": [_head(board, metric, values[metric], choice.group) for metric in metrics],
        "rows": lines,
        "total": len(rows),
        "broken": [
            {"name": each.name, "problem": each.problem}
            for each in index.entries()
            if each.result is None
        ],
    }


def _sorted(rows: Sequence[Row], choice: Choice, values: Mapping[str, Ends]) -> list[Row]:
    """Return rows in the order that is asked for; those without a value come last."""
    if choice.sort == "recipe":
        return sorted(rows, key=lambda row: row.result.recipe, reverse=choice.falling)
    if not values:
        return list(reversed(rows)) if choice.falling else list(rows)
    there = [row for row in rows if row.result.recipe in values]
    there.sort(key=lambda row: values[row.result.recipe][0], reverse=choice.falling)
    return [*there, *(row for row in rows if row.result.recipe not in values)]


def _with_base(
    lines: list[dict[str, Any]], base: dict[str, Any], choice: Choice
) -> list[dict[str, Any]]:
    """Return the rows with the bare base among them, where its value puts it."""
    column = choice.sort if choice.sort in base["cells"] else "rank"

    def value(line: dict[str, Any]) -> Any:
        if choice.sort == "recipe":
            return line["recipe"]
        return line["order"] if column == "rank" else line["cells"][column].get("v")

    own = value(base)
    before = [
        each is not None and own is not None and (each > own if choice.falling else each < own)
        for each in map(value, lines)
    ]
    at = len(lines) if own is None else before.count(True)
    return [*lines[:at], base, *lines[at:]]


def _is_on(entry: Entry, board: Board) -> bool:
    result = entry.result
    return result is not None and (result.benchmark, result.signature) == (
        board.benchmark,
        board.signature,
    )


def _says(result: Result, words: str) -> bool:
    text = f"{result.recipe} {result.summary}".lower()
    return all(word in text for word in words.lower().split())


def _values(
    index: ReportsIndex,
    rows: Sequence[Row],
    entries: Mapping[str, Entry],
    board: Board,
    metric: str,
    group: str,
) -> dict[str, Ends]:
    """Return value and ends of every recipe that has them, over all prompts or over a group's."""
    if not group:
        scores = [(row.result.recipe, score_in(row, metric)) for row in rows]
        return {recipe: ends for recipe, score in scores if (ends := _ends(score)) is not None}
    inside = frozenset(prompt for prompt, names in groups_on(board).items() if group in names)
    samples = {row.result.recipe: index.samples(entries[row.result.recipe]) for row in rows}
    return over_prompts(samples, column_of(metric), inside)


def _ends(score: Score | None) -> Ends | None:
    if score is None or score.value is None or score.low is None or score.high is None:
        return None
    return score.value, score.low, score.high


def over_prompts(
    samples: Mapping[str, Samples], column: str, inside: frozenset[str]
) -> dict[str, Ends]:
    """Return a metric's mean over some prompts with its ends, of each that has it as a mean.

    Results that have values of the same images are reckoned together.
    """
    alike: dict[tuple[tuple[str, ...], bytes], list[tuple[str, Array]]] = {}
    for name, each in samples.items():
        if (values := each.values.get(column)) is not None:
            rows = each.among(inside) & np.isfinite(values)
            key = each.prompt_ids, rows.tobytes()
            alike.setdefault(key, []).append((name, values[rows]))
    curves = {}
    for (prompt_ids, mask), group in alike.items():
        chosen = [prompt for prompt, is_in in zip(prompt_ids, mask, strict=True) if is_in]
        value, low, high = means_of(np.array([values for _, values in group]), chosen)
        for at, (name, _) in enumerate(group):
            if np.isfinite(value[at]):
                curves[name] = float(value[at]), float(low[at]), float(high[at])
    return curves


def _head(board: Board, metric: str, values: Mapping[str, Ends], group: str) -> dict[str, Any]:
    """Return a column's head: which way is up, and the axis that holds every interval."""
    floor = None if group else board.floors.get(metric)
    base = None if group else board.base(metric)
    ends = [end for end in (floor, base) if end is not None]
    own = None if group or board.base_row is None else _ends(score_in(board.base_row, metric))
    intervals = [*values.values(), *([own] if own else [])]
    lows = [low for _, low, _ in intervals] + ends
    highs = [high for _, _, high in intervals] + ends
    return {
        "name": metric,
        "up": arrow(board, metric) == "↑",
        "family": board.families.get(metric, ""),
        "licence": board.licences.get(metric, LICENSED),
        "floor": floor,
        "base": base,
        "from": min(lows, default=0.0),
        "to": max(highs, default=1.0),
    }


def _line(
    board: Board,
    row: Row,
    entry: Entry | None,
    values: Mapping[str, Mapping[str, Ends]],
    cover: Callable[[Entry], str | None],
    group: str,
) -> dict[str, Any]:
    result = row.result
    return {
        "name": entry.name if entry else result.recipe,
        "recipe": result.recipe,
        "summary": result.summary,
        "origin": result.origin,
        "rank": row.rank,
        "flags": row.flags,
        "images": f"{result.images.scored} of {result.images.expected}",
        "seeds": seeds(result),
        "cost": cost(result),
        "thumb": cover(entry) if entry else None,
        "alt": f"the first image of {result.recipe}",
        "cells": {
            metric: _cell(board, row, metric, values[metric].get(result.recipe), group)
            for metric in values
        },
    }


def _base_line(board: Board, base: BaseRow, metrics: Sequence[str]) -> dict[str, Any]:
    """Return the row of the bare base: a reference without a rank, a run or a picture."""
    return {
        "name": "",
        "recipe": BASE,
        "summary": f"{base.model} without an adapter",
        "reference": True,
        "rank": "–",
        "order": base.above - 0.5,
        "flags": [],
        "images": "–",
        "seeds": "–",
        "cost": "–",
        "thumb": None,
        "alt": "",
        "cells": {metric: _base_cell(board, base, metric) for metric in metrics},
    }


def _base_cell(board: Board, base: BaseRow, metric: str) -> dict[str, Any]:
    score = base.scores.get(metric)
    if score is None or score.value is None:
        return {"text": "–", "why": "this metric has no value of the base"}
    shown: dict[str, Any] = {"v": _short(score.value), "text": cell(score), "n": score.n}
    if score.low is not None and score.high is not None:
        shown |= {"lo": _short(score.low), "hi": _short(score.high)}
    if (position := board.position(base, metric)) is not None:
        shown["at"] = round(position, 4)
    return shown


def _cell(board: Board, row: Row, metric: str, ends: Ends | None, group: str) -> dict[str, Any]:
    score = score_in(row, metric)
    if ends is None:
        why = "is no mean over images, or has one prompt here" if group else "–"
        return {"text": "–", "why": (score.reason if score else None) or why}
    drawn = dict(zip(("v", "lo", "hi"), map(_short, ends), strict=True))
    if score is None or group:
        return {**drawn, "text": ranged(*ends)}
    shown: dict[str, Any] = {**drawn, "text": cell(score), "n": score.n}
    if (position := board.position(row, metric)) is not None:
        shown["at"] = round(position, 4)
    return shown | ({"notes": list(score.notes)} if score.notes else {})


def _short(value: float) -> float:
    """Return a number with no more digits than a drawing can show."""
    return float(f"{value:.6g}")


def cost(result: Result) -> str:
    """Return what a result's training and drawing took, as far as it is known."""
    facts = result.provenance.get("efficiency") or {}
    parts = []
    if facts.get("train_seconds"):
        parts.append(f"{duration(facts['train_seconds'])} on {facts.get('train_device')}")
    if facts.get("train_peak_memory_mb"):
        parts.append(f"{facts['train_peak_memory_mb']:,} MB")
    if facts.get("adapter_mb"):
        parts.append(f"{facts['adapter_mb']:g} MB adapter")
    return " · ".join(parts) or "–"


def pareto(view: Mapping[str, Any], x: str, y: str) -> list[dict[str, Any]]:
    """Return a view's rows on two metrics, and which of them nothing beats in both."""
    up = {head["name"]: head["up"] for head in view["metrics"]}
    rows = [
        {
            "name": row["name"],
            "recipe": row["recipe"],
            "rank": row["rank"],
            "thumb": row["thumb"],
            "x": row["cells"][x]["v"],
            "xlo": row["cells"][x]["lo"],
            "xhi": row["cells"][x]["hi"],
            "y": row["cells"][y]["v"],
            "ylo": row["cells"][y]["lo"],
            "yhi": row["cells"][y]["hi"],
            "flagged": bool(row["flags"]),
        }
        for row in view["rows"]
        if not row.get("reference")
        and "v" in row["cells"].get(x, {})
        and "v" in row["cells"].get(y, {})
    ]
    for row, best in zip(rows, front(rows, up[x], up[y]), strict=True):
        row["front"] = best
    return rows


def front(rows: Sequence[Mapping[str, Any]], x_up: bool, y_up: bool) -> list[bool]:
    """Return which rows no other one equals or beats in both; rows with a flag are not in front."""
    order = sorted(
        range(len(rows)),
        key=lambda at: (
            -rows[at]["x"] if x_up else rows[at]["x"],
            -rows[at]["y"] if y_up else rows[at]["y"],
        ),
    )
    ahead, best = [False] * len(rows), None
    for at in order:
        value = rows[at]["y"] if y_up else -rows[at]["y"]
        if not rows[at]["flagged"] and (best is None or value > best):
            ahead[at], best = True, value
    return ahead
