"""Results, boards and decisions as pieces of HTML that a notebook shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.decisions.compare import Comparison
from harness.decisions.gate import Gate
from harness.decisions.leaderboard import Board
from harness.decisions.sweep import Advice, Point
from harness.pipeline.forecast import Planned
from harness.records import Result
from harness.report.pairs import PicturedPair


def result_html(result: Result, path: Path) -> str:
    return ""


def plan_html(planned: Planned) -> str:
    return ""


def boards_html(boards: Sequence[Board]) -> str:
    return ""


def sweep_html(recipe: str, over: str, points: Sequence[Point], advice: Advice) -> str:
    return ""


def comparisons_html(found: Sequence[Comparison], pairs: Sequence[PicturedPair]) -> str:
    return ""


def gate_html(found: Gate, pairs: Sequence[PicturedPair]) -> str:
    return ""
