"""Boards → one HTML page that needs no server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.decisions.breakdown import GroupScore
from harness.decisions.leaderboard import BASE, Board, Row, in_order, score_in
from harness.metrics.sanity_card import SUMMARIES, SanityCard
from harness.pipeline.stages.files import Entry, read_index
from harness.records import Probe, Result, Score
from harness.report.breakdown import by_group
from harness.report.environment import environment
from harness.report.live import PLACE, refresh
from harness.report.numbers import cell, head, seeds, share
from harness.report.pictures import picture_of, thumbnail
from harness.report.probe import probe_tables, verdict
from harness.report.sanity import short_change

FindImages = Callable[[Result], Path | None]


FindCard = Callable[[Board], SanityCard | None]
FindFolder = Callable[[Result, str], Path | None]
"""The folder of a result's step, where it is at hand."""


@dataclass(frozen=True)
class Mark:
    """One value with its interval on a metric's axis, in percent of the axis."""

    low: float
    high: float
    value: float


@dataclass(frozen=True)
class Axis:
    """One metric's axis, which holds every row of a board, the base and real pictures."""

    left: float
    right: float
    floor: float | None
    """Where real pictures are, in percent of the axis."""
    base: float | None
    """Where the bare base is."""

    def mark(self, score: Score | None) -> Mark | None:
        """Return where a score lies; None where it has no interval."""
        if score is None or score.value is None or score.low is None or score.high is None:
            return None
        low, high, value = (
            percent(end, self.left, self.right) for end in (score.low, score.high, score.value)
        )
        return Mark(low, high, value)


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
    card: FindCard,
    title: str,
    seed_limit: int = 1,
    parts: Sequence[GroupScore] = (),
    live: bool = False,
) -> str:
    """Return one page: each board with its intervals drawn, the grid of prompt × recipe, the
    pictures that were copied, the benchmark's sanity card, and one result's scores by group.

    A `live` page has a place for what goes on, and loads itself again."""
    return (
        environment()
        .get_template("leaderboard.html.j2")
        .render(
            title=title,
            refresh=refresh() if live else "",
            going_on=PLACE if live else "",
            boards=[
                drawn_board(board)
                | {
                    "grid": grid(board.rows, lambda result: find(result, "sample"), seed_limit),
                    "pairs": _pairs(board, find),
                    "card": card(board),
                }
                for board in boards
            ],
            groups=by_group(parts),
            probe=_probe(boards),
            probe_tables=probe_tables,
            verdict=verdict,
            cell=cell,
            share=share,
            score_in=score_in,
            BASE=BASE,
            SUMMARIES=SUMMARIES,
            short_change=short_change,
            seeds=seeds,
        )
    )


def _probe(boards: Sequence[Board]) -> Probe | None:
    """Return the loss probe of the only result of a page."""
    results = [row.result for board in boards for row in board.rows]
    return results[0].probe if len(results) == 1 else None


def drawn_board(board: Board) -> dict[str, Any]:
    """Return a board with what its table draws."""
    return {
        "board": board,
        "axes": {metric: axis(board, metric) for metric in board.metrics},
        "lines": in_order(board),
        "heads": {metric: head(board, metric) for metric in board.metrics},
    }


def axis(board: Board, metric: str) -> Axis | None:
    """Return the axis of a metric; None where no row has a value with an interval."""
    scores = [score_in(row, metric) for row in in_order(board)]
    ends = [
        end
        for score in scores
        if score is not None and score.value is not None
        for end in (score.low, score.high)
        if end is not None
    ]
    if not ends:
        return None
    floor, base = board.floors.get(metric), board.base(metric)
    ends += [end for end in (floor, base) if end is not None]
    left, right = min(ends), max(ends)
    return Axis(
        left,
        right,
        None if floor is None else percent(floor, left, right),
        None if base is None else percent(base, left, right),
    )


def percent(value: float, left: float, right: float) -> float:
    """Return where a value lies on an axis, 2 percent from either edge at most."""
    return round(2 + 96 * (value - left) / ((right - left) or 1.0), 2)


def _pairs(board: Board, find: FindFolder) -> list[tuple[str, list[str]]]:
    """Return, for each row that is flagged for copies, pictures of the worst pairs, as URIs."""
    pairs = []
    for row in board.rows:
        copies = any(each.flag and each.family == "copying" for each in row.result.scores)
        folder = find(row.result, "score") if copies else None
        files = sorted((folder / "pairs").glob("*.png")) if folder else []
        if files:
            pairs.append((row.result.recipe, [thumbnail(file) for file in files[:8]]))
    return pairs


def grid(
    rows: Sequence[Row], find_images: FindImages, seed_limit: int, limit: int | None = None
) -> Grid:
    """Return up to `limit` prompts under every recipe, at the first `seed_limit` seeds."""
    folders = [find_images(row.result) for row in rows]
    albums = [
        {(entry.id, entry.seed): entry for entry in read_index(folder)} if folder else {}
        for folder in folders
    ]
    texts = {entry.id: entry.text for each in albums for entry in each.values()}
    seeds_shown = sorted({seed for each in albums for _, seed in each})[:seed_limit]
    columns = [(place, seed) for place in range(len(rows)) for seed in seeds_shown]
    lines = [
        GridRow(
            prompt_id,
            text,
            tuple(
                _shown(folders[place], albums[place].get((prompt_id, seed)))
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
