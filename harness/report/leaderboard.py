"""Boards as tables in a terminal, as one JSON document, as CSV and as Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from harness.decisions.leaderboard import Board
from harness.pipeline.results.read import score_of
from harness.records import Score
from harness.report.numbers import arrow, cell, inert, placed, seeds


def board_document(board: Board) -> dict[str, object]:
    """Return a board as one JSON document."""
    return {
        "benchmark": board.benchmark,
        "signature": board.signature,
        "ranked_by": board.ranked_by,
        "floors": dict(board.floors),
        "rows": [
            {
                "recipe": row.result.recipe,
                "rank_low": row.rank_low,
                "rank_high": row.rank_high,
                "origin": row.result.origin,
                "training_seeds": len(row.result.training_seeds),
                "interval": row.result.interval,
                "flags": row.flags,
                "images": row.result.images.model_dump(mode="json"),
                "scores": {
                    score.metric: {
                        **score.model_dump(mode="json", exclude={"metric"}),
                        "position": board.position(row, score.metric),
                    }
                    for score in row.result.scores
                },
            }
            for row in board.rows
        ],
    }


def as_csv(found: Sequence[Board]) -> str:
    """Return all boards as one table, a line a recipe; no cell can be read as a formula."""
    metrics = list(dict.fromkeys(metric for board in found for metric in board.metrics))
    columns = [f"{metric}{part}" for metric in metrics for part in ("", " low", " high")]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["benchmark", "signature", "rank_low", "rank_high", "recipe", *columns])
    for board in found:
        for row in board.rows:
            cells: list[object] = []
            for metric in metrics:
                score = score_of(row.result, metric)
                cells += [score.value, score.low, score.high] if score else ["", "", ""]
            name = inert(row.result.recipe)
            writer.writerow(
                [board.benchmark, board.signature, row.rank_low, row.rank_high, name, *cells]
            )
    return stream.getvalue()


def as_markdown(found: Sequence[Board], everything: bool = False) -> str:
    """Return all boards as Markdown tables: one metric a family, or every one."""
    parts = ["# Leaderboard\n\nWritten by `harness leaderboard --markdown`; do not edit.\n"]
    for board in found:
        metrics = board.metrics if everything else board.headlines
        marked = [f"{metric} {arrow(board, metric)}" for metric in metrics]
        lines = [
            f"\n## {board.benchmark}\n",
            f"Signature `{board.signature}`. Ranked by {board.ranked_by}; "
            f"rows that cannot be told apart share a rank.{_scale(board)}\n",
            f"| rank | recipe | {' | '.join(marked)} | images | training seeds |",
            f"|---|---|{'---|' * (len(marked) + 2)}",
        ]
        for row in board.rows:
            cells = [placed(board, row, metric) for metric in metrics]
            images = row.result.images
            name = " ⚑ ".join([row.result.recipe, *row.flags])
            lines.append(
                f"| {row.rank} | {name} | {' | '.join(cells)} | "
                f"{images.scored} of {images.expected} | {seeds(row.result)} |"
            )
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _scale(board: Board) -> str:
    return " Percent: from the bare base (0) to real pictures (100)." if board.floors else ""


BESIDE = 56
"""Letters that a board takes beside its metrics."""


COLUMN = 17
"""Letters that a board takes for each metric."""


def print_boards(boards: Sequence[Board], console: Console, everything: bool = False) -> None:
    """Write the boards as tables for a terminal: one metric a family, or every one."""
    for board in boards:
        table = Table(
            title=f"{board.benchmark} · signature {board.signature}",
            title_justify="left",
            caption=f"ranked by {board.ranked_by}; rows that cannot be told apart share a rank; "
            "seeds: how many trainings a row speaks for",
            caption_justify="left",
        )
        table.add_column("rank", justify="right", min_width=4)
        table.add_column("recipe", style="bold", no_wrap=True)
        room = max(2, (console.width - BESIDE) // COLUMN)
        metrics = board.metrics if everything else board.headlines[:room]
        for metric in metrics:
            table.add_column(f"{metric} {arrow(board, metric)}", justify="right", no_wrap=True)
        table.add_column("images", justify="right", min_width=6)
        table.add_column("seeds", justify="right", min_width=5)
        for row in board.rows:
            images = row.result.images
            table.add_row(
                row.rank,
                "\n⚑ ".join([row.result.recipe, *row.flags]),
                *[_stacked(score_of(row.result, metric)) for metric in metrics],
                f"{images.scored}/{images.expected}",
                seeds(row.result).split(" ")[0],
            )
        console.print(table)


def _stacked(score: Score | None) -> str:
    """Return a value above its interval; why there is none is in the file and on the page."""
    if score is None or score.value is None:
        return "–"
    return cell(score).replace(" [", "\n[", 1)
