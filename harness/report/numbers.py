"""How a value with its interval is written: as sharp as the interval allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.records import LICENSED, Result, Score, is_licensed

if TYPE_CHECKING:
    from harness.decisions.leaderboard import BaseRow, Board, Row


def share(board: Board, row: Row | BaseRow, metric: str) -> str:
    """Return how far a value is from the base (0%) to real pictures (100%); empty if unknown."""
    position = board.position(row, metric)
    return "" if position is None else f"{round(position, 2) + 0.0:.0%}"


def arrow(board: Board, metric: str) -> str:
    scores = (row.scores.get(metric) for row in board.rows)
    return "↑" if any(score and score.higher_is_better for score in scores) else "↓"


BARRED = "⊘"
"""Marks a metric that may not judge here."""


def head(board: Board, metric: str) -> str:
    """Return what stands over a metric's column: its name, which way is up, and a mark if it may
    not judge here."""
    barred = not is_licensed(board.licences.get(metric, LICENSED))
    return " ".join([metric, arrow(board, metric), *([BARRED] if barred else [])])


def cell(score: Score | None) -> str:
    """Return a value with its interval, as sharp as the interval allows."""
    if score is None:
        return "–"
    if score.value is None:
        return f"unavailable ({score.reason})"
    if score.low is None or score.high is None:
        return f"{score.value:.4g}"
    return ranged(score.value, score.low, score.high)


def or_dash(value: float | None, digits: str) -> str:
    """Return a number in the format `digits`, or a dash where there is none."""
    return "–" if value is None else format(value, digits)


def p_value(value: float | None) -> str:
    """Return a p-value with three digits, or a dash where there is none."""
    return "<0.001" if value is not None and value < 0.001 else or_dash(value, ".3f")


TINY = 1e-5
"""Below it, digits after the point would be noughts."""


def digits_for(width: float) -> int:
    """Return how many digits after the point an interval of some width allows."""
    digits = 0
    while width * 10**digits < 15 and digits < 6:
        digits += 1
    return digits


def ranged(value: float, low: float, high: float) -> str:
    """Return a value with its interval, as sharp as the interval allows."""
    width = high - low
    if width < 1e-12:
        return f"{value:.4g} [{low:.4g}, {high:.4g}]"
    if 0 < max(abs(value), abs(low), abs(high)) < TINY:
        return f"{value:.0e} [{low:.0e}, {high:.0e}]"
    digits = digits_for(width)
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def seeds(result: Result) -> str:
    """Return how many trainings the intervals hold for."""
    if not result.training_seeds:
        return "–"
    many = len(result.training_seeds)
    return f"{many} (any training)" if result.interval == "recipe" else f"{many} (this file)"


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 2 * 86400 else f"{seconds / 86400:.0f} days"


def number(value: float | None, width: float, sign: str = "") -> str:
    """Return a value as sharp as an interval of some width allows."""
    if value is None:
        return "–"
    digits = 3 if width <= 0 else digits_for(width)
    return f"{value:{sign}z.{digits}f}".replace("-", "−")
