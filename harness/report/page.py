"""Boards → one HTML page that needs no server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.decisions.breakdown import Part
from harness.decisions.leaderboard import Board, Row
from harness.decisions.sanity import Card
from harness.pipeline.results.read import score_of
from harness.pipeline.stages.files import Entry, read_index
from harness.records import Result
from harness.report.breakdown import by_group
from harness.report.environment import environment
from harness.report.numbers import arrow, cell, placed, seeds
from harness.report.pictures import picture_of, thumbnail

FindImages = Callable[[Result], Path | None]


FindFolder = Callable[[Result, str], Path | None]
"""The folder of a result's step, where it is at hand."""


@dataclass(frozen=True)
class Mark:
    """One value on a metric's own axis, all in percent of its width."""

    low: float
    high: float
    value: float
    floor: float | None = None
    """Real pictures."""
    base: float | None = None
    """The bare base."""


@dataclass(frozen=True)
class GridRow:
    """One prompt, and its image in every column."""

    prompt_id: str
    text: str
    images: tuple[str | None, ...]
    """A data URI a column; None where the image is not there."""


@dataclass(frozen=True)
class Grid:
    """Prompts down, recipes and seeds across."""

    columns: tuple[str, ...]
    rows: tuple[GridRow, ...]


def html(
    boards: Sequence[Board],
    find: FindFolder,
    title: str,
    seed_limit: int = 1,
    cards: Mapping[str, Card] | None = None,
    parts: Sequence[Part] = (),
) -> str:
    """Return one page: each board with its intervals drawn, the grid of prompt × recipe, the
    pictures that were copied, the benchmark's sanity card, and one result's scores by group."""
    return (
        environment()
        .get_template("leaderboard.html.j2")
        .render(
            title=title,
            boards=[
                {
                    "board": board,
                    "marks": {metric: _marks(board, metric) for metric in board.metrics},
                    "arrows": {metric: arrow(board, metric) for metric in board.metrics},
                    "grid": grid(board.rows, lambda result: find(result, "sample"), seed_limit),
                    "pairs": _pairs(board, find),
                    "card": (cards or {}).get(board.benchmark),
                }
                for board in boards
            ],
            groups=by_group(parts),
            cell=cell,
            placed=placed,
            score_of=score_of,
            seeds=seeds,
        )
    )


def _marks(board: Board, metric: str) -> dict[str, Mark]:
    """Return where each row's interval lies on one axis that holds them all, and both ends."""
    whole = {
        row.result.recipe: (score.low, score.value, score.high)
        for row in board.rows
        if (score := score_of(row.result, metric)) is not None
        and score.low is not None
        and score.value is not None
        and score.high is not None
    }
    if not whole:
        return {}
    floor, base = board.floors.get(metric), board.base(metric)
    ends = [end for end in (floor, base) if end is not None]
    left = min([low for low, _, _ in whole.values()] + ends)
    right = max([high for _, _, high in whole.values()] + ends)
    width = (right - left) or 1.0

    def percent(value: float) -> float:
        return round(2 + 96 * (value - left) / width, 2)

    ticks = {
        end: None if value is None else percent(value)
        for end, value in (("floor", floor), ("base", base))
    }
    return {
        name: Mark(percent(low), percent(high), percent(value), **ticks)
        for name, (low, value, high) in whole.items()
    }


def _pairs(board: Board, find: FindFolder) -> list[tuple[str, list[str]]]:
    """Return, for each row with a flag, pictures of the worst pairs, as data URIs."""
    found = []
    for row in board.rows:
        folder = find(row.result, "score") if row.flags else None
        files = sorted((folder / "pairs").glob("*.png")) if folder else []
        if files:
            found.append((row.result.recipe, [thumbnail(file) for file in files[:8]]))
    return found


def grid(
    rows: Sequence[Row], find_images: FindImages, seed_limit: int, limit: int | None = None
) -> Grid:
    """Return up to `limit` prompts under every recipe, at the first `seed_limit` seeds."""
    folders = [find_images(row.result) for row in rows]
    found = [
        {(entry.id, entry.seed): entry for entry in read_index(folder)} if folder else {}
        for folder in folders
    ]
    texts = {entry.id: entry.text for each in found for entry in each.values()}
    seeds_shown = sorted({seed for each in found for _, seed in each})[:seed_limit]
    columns = [(place, seed) for place in range(len(rows)) for seed in seeds_shown]
    lines = [
        GridRow(
            prompt_id,
            text,
            tuple(
                _shown(folders[place], found[place].get((prompt_id, seed)))
                for place, seed in columns
            ),
        )
        for prompt_id, text in list(texts.items())[:limit]
    ]
    return Grid(tuple(_head(rows, place, seed) for place, seed in columns), tuple(lines))


def _head(rows: Sequence[Row], place: int, seed: int) -> str:
    return f"seed {seed}" if len(rows) == 1 else rows[place].result.recipe


def _shown(folder: Path | None, entry: Entry | None) -> str | None:
    file = picture_of(folder, entry) if folder and entry else None
    return thumbnail(file) if file else None
