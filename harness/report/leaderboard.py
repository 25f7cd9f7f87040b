"""Boards as tables in a terminal, as one JSON document, as CSV and as Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from rich.table import Table

from harness.decisions.leaderboard import BASE, BaseRow, Board, Row, in_order, score_in
from harness.escaping import in_cell, in_code, in_markdown, one_line
from harness.records import Score
from harness.report.numbers import cell, head, seeds, share
from harness.report.terminal import Terminal, new_table


def board_document(board: Board) -> dict[str, object]:
    """Return a board as one JSON document; the bare base stands beside `rows`, not among them."""
    return {
        "benchmark": board.benchmark,
        "signature": board.signature,
        "ranked_by": board.ranked_by,
        "ranking": board.ranking,
        "licences": dict(board.licences),
        "floors": dict(board.floors),
        "rows": [_row_document(board, row) for row in board.rows],
        "base": None if board.base_row is None else _base_document(board.base_row),
    }


def _row_document(board: Board, row: Row) -> dict[str, object]:
    return {
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


def _base_document(base: BaseRow) -> dict[str, object]:
    parts = ("value", "low", "high", "n", "higher_is_better", "family")
    return {
        "model": base.model,
        "rows_above": base.above,
        "scores": {
            metric: {part: getattr(score, part) for part in parts}
            for metric, score in base.scores.items()
        },
    }


def as_csv(boards: Sequence[Board]) -> str:
    """Return all boards as one table, a line a recipe; no cell can be read as a formula.

    The bare base is a line without ranks, where its value puts it.
    """
    metrics = list(dict.fromkeys(metric for board in boards for metric in board.metrics))
    columns = [f"{metric}{part}" for metric in metrics for part in ("", " low", " high")]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    heads = ["benchmark", "signature", "rank_low", "rank_high", "recipe"]
    writer.writerow([*heads, *map(_cell, columns)])
    for board in boards:
        for row in in_order(board):
            if isinstance(row, BaseRow):
                ranks, name = ["", ""], BASE
            else:
                ranks, name = [str(row.rank_low), str(row.rank_high)], row.result.recipe
            numbers = [part for metric in metrics for part in _numbers(score_in(row, metric))]
            words = [*map(_cell, (board.benchmark, board.signature)), *ranks, _cell(name)]
            writer.writerow([*words, *numbers])
    return stream.getvalue()


def _cell(text: str) -> str:
    return in_cell(one_line(text))


def _numbers(score: Score | None) -> list[object]:
    return [score.value, score.low, score.high] if score else ["", "", ""]


def as_markdown(boards: Sequence[Board], everything: bool = False) -> str:
    """Return all boards as Markdown tables: one metric a family, or every one."""
    parts = ["# Leaderboard\n\nWritten by `harness leaderboard --markdown`; do not edit.\n"]
    for board in boards:
        metrics = board.metrics if everything else board.headlines
        marked = [in_markdown(head(board, metric)) for metric in metrics]
        lines = [
            f"\n## {in_markdown(board.benchmark)}\n",
            f"Signature `{in_code(board.signature)}`. Rows are {in_markdown(board.ranking)}; "
            f"rows that cannot be told apart share a rank.{_scale(board)}\n",
            f"| rank | recipe | {' | '.join(marked)} | images | training seeds |",
            f"|---|---|{'---|' * (len(marked) + 2)}",
        ]
        for row in in_order(board):
            cells = [_marked(board, row, metric) for metric in metrics]
            rank, name = _name(row, " ⚑ ")
            lines.append(f"| {' | '.join([rank, in_markdown(name), *cells, *_counts(row)])} |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _marked(board: Board, row: Row | BaseRow, metric: str) -> str:
    """Return a value for Markdown; the reason why there is none is a stranger's words."""
    words, score = _placed(board, row, metric), score_in(row, metric)
    return in_markdown(words) if score is not None and score.value is None else words


def _name(row: Row | BaseRow, between: str) -> tuple[str, str]:
    """Return a row's rank, and its name with its flags."""
    if isinstance(row, BaseRow):
        return "–", BASE
    return row.rank, between.join([row.result.recipe, *row.flags])


def _counts(row: Row | BaseRow) -> tuple[str, str]:
    """Return of how many images a row is, and for how many trainings it speaks."""
    if isinstance(row, BaseRow):
        return "–", "–"
    images = row.result.images
    return f"{images.scored} of {images.expected}", seeds(row.result)


def _scale(board: Board) -> str:
    return " Percent: from the bare base (0) to real pictures (100)." if board.floors else ""


BESIDE = 56
"""Letters that a board takes beside its metrics."""
COLUMN = 17
"""Letters that a board takes for each metric."""


def print_boards(boards: Sequence[Board], console: Terminal, everything: bool = False) -> None:
    """Write the boards as tables for a terminal: one metric a family, or every one."""
    for board in boards:
        room = max(2, (console.width - BESIDE) // COLUMN)
        metrics = board.metrics if everything else board.headlines[:room]
        table = _table(board, metrics)
        for row in in_order(board):
            images, trainings = _counts(row)
            table.add_row(
                *_name(row, "\n⚑ "),
                *[_stacked(score_in(row, metric)) for metric in metrics],
                images.replace(" of ", "/"),
                trainings.split(" ")[0],
                style="dim" if isinstance(row, BaseRow) else None,
            )
        console.print(table)


def _table(board: Board, metrics: Sequence[str]) -> Table:
    """Return a board's table without rows."""
    base = f"; {BASE}: drawn at the same prompts and seeds, unranked" if board.base_row else ""
    table = new_table(
        f"{board.benchmark} · signature {board.signature}",
        f"{board.ranking}; rows that cannot be told apart share a rank; "
        f"seeds: how many trainings a row speaks for{base}",
    )
    table.add_column("rank", justify="right", min_width=4)
    table.add_column("recipe", style="bold", no_wrap=True)
    for metric in metrics:
        table.add_column(head(board, metric), justify="right", no_wrap=True)
    table.add_column("images", justify="right", min_width=6)
    table.add_column("seeds", justify="right", min_width=5)
    return table


def _stacked(score: Score | None) -> str:
    """Return a value above its interval; why there is none is in the file and on the page."""
    if score is None or score.value is None:
        return "–"
    return cell(score).replace(" [", "\n[", 1)


def _placed(board: Board, row: Row | BaseRow, metric: str) -> str:
    """Return a value with its interval, and where it lies between the base and real pictures."""
    return " · ".join(filter(None, (cell(score_in(row, metric)), share(board, row, metric))))
