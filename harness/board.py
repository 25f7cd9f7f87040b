"""Results → boards: rows that may be ranked together, with ranks no sharper than the numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import PageError, Problem, UsageError
from harness.records import Result, Score

HEADLINE = ("kid", "fid", "clip-score", "aesthetic")
"""Metrics in the order in which they rank, where a benchmark has them."""


@dataclass(frozen=True)
class Row:
    """One result on a board."""

    result: Result
    rank_low: int
    rank_high: int

    @property
    def rank(self) -> str:
        same = self.rank_low == self.rank_high
        return str(self.rank_low) if same else f"{self.rank_low}–{self.rank_high}"


@dataclass(frozen=True)
class Board:
    """Results of one benchmark that share a signature, best first."""

    benchmark: str
    signature: str
    metrics: tuple[str, ...]
    ranked_by: str
    rows: tuple[Row, ...]


def read_results(reports: Path, benchmark: str | None = None) -> list[Result]:
    """Return every result file below `reports`."""
    files = [
        file
        for file in sorted(reports.glob("*/*.json"))
        if file.parent.name == benchmark or (benchmark is None and file.parent.name != "baselines")
    ]
    if not files:
        what = f"no results of {benchmark}" if benchmark else "no results"
        raise UsageError(f"{what} in {reports}", hint="make some: `harness run pocket-ninja`")
    return [read_result(file) for file in files]


def read_result(file: Path) -> Result:
    try:
        return Result.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        lines = str(error).splitlines()
        raise PageError(
            [Problem(str(file), 1, "", f"is not a result file: {' '.join(lines[:3])[:200]}")]
        ) from None


def boards(results: Sequence[Result]) -> list[Board]:
    """Return one board a benchmark and signature, the fullest of a benchmark first."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        groups.setdefault((result.benchmark, result.signature), []).append(result)
    found = [_board(name, signature, group) for (name, signature), group in groups.items()]
    return sorted(found, key=lambda board: (board.benchmark, -len(board.rows), board.signature))


def _board(benchmark: str, signature: str, results: list[Result]) -> Board:
    metrics = list(dict.fromkeys(score.metric for each in results for score in each.scores))
    ranked_by = min(metrics, key=_headline)
    ranked = sorted(results, key=lambda result: (_worth(result, ranked_by), result.recipe))
    rows = []
    for result in ranked:
        score = score_of(result, ranked_by)
        others = [score_of(other, ranked_by) for other in ranked if other is not result]
        better = sum(_surely_better(other, score) for other in others)
        worse = sum(_surely_better(score, other) for other in others)
        rows.append(Row(result, better + 1, len(ranked) - worse))
    return Board(benchmark, signature, tuple(metrics), ranked_by, tuple(rows))


def _headline(metric: str) -> int:
    word = metric.split("@")[0]
    return HEADLINE.index(word) if word in HEADLINE else len(HEADLINE)


def score_of(result: Result, metric: str) -> Score | None:
    return next((score for score in result.scores if score.metric == metric), None)


def _worth(result: Result, metric: str) -> float:
    score = score_of(result, metric)
    if score is None or score.value is None:
        return float("inf")
    return -score.value if score.higher_is_better else score.value


def _surely_better(a: Score | None, b: Score | None) -> bool:
    """Return whether a's interval lies wholly on the better side of b's."""
    if a is None or a.low is None or a.high is None:
        return False
    if b is None or b.low is None or b.high is None:
        return True
    return a.low > b.high if a.higher_is_better else a.high < b.low


def as_json(board: Board) -> dict[str, object]:
    return {
        "benchmark": board.benchmark,
        "signature": board.signature,
        "ranked_by": board.ranked_by,
        "rows": [
            {
                "recipe": row.result.recipe,
                "rank_low": row.rank_low,
                "rank_high": row.rank_high,
                "origin": row.result.origin,
                "training_seeds": len(row.result.training_seeds),
                "images": row.result.images.model_dump(mode="json"),
                "scores": {
                    score.metric: {
                        "value": score.value, "low": score.low, "high": score.high,
                        "n": score.n, "reason": score.reason,
                    }
                    for score in row.result.scores
                },
            }
            for row in board.rows
        ],
    }  # fmt: skip


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
            name = row.result.recipe
            safe = f"'{name}" if name[:1] in "=+-@" else name
            writer.writerow(
                [board.benchmark, board.signature, row.rank_low, row.rank_high, safe, *cells]
            )
    return stream.getvalue()


def as_markdown(found: Sequence[Board]) -> str:
    """Return all boards as Markdown tables."""
    parts = ["# Leaderboard\n\nWritten by `harness leaderboard --markdown`; do not edit.\n"]
    for board in found:
        marked = [f"{metric} {arrow(board, metric)}" for metric in board.metrics]
        lines = [
            f"\n## {board.benchmark}\n",
            f"Signature `{board.signature}`. Ranked by {board.ranked_by}; "
            "a rank is a range where intervals overlap.\n",
            f"| rank | recipe | {' | '.join(marked)} | images | training seeds |",
            f"|---|---|{'---|' * (len(marked) + 2)}",
        ]
        for row in board.rows:
            cells = [cell(score_of(row.result, metric)) for metric in board.metrics]
            images = row.result.images
            lines.append(
                f"| {row.rank} | {row.result.recipe} | {' | '.join(cells)} | "
                f"{images.scored} of {images.expected} | {seeds(row.result)} |"
            )
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def arrow(board: Board, metric: str) -> str:
    scores = [score_of(row.result, metric) for row in board.rows]
    return "↑" if any(score and score.higher_is_better for score in scores) else "↓"


def cell(score: Score | None) -> str:
    """Return a value with its interval, as sharp as the interval allows."""
    if score is None:
        return "–"
    if score.value is None or score.low is None or score.high is None:
        return f"unavailable ({score.reason})"
    width = max(score.high - score.low, 1e-12)
    digits = 0
    while width * 10**digits < 15 and digits < 6:
        digits += 1
    return f"{score.value:.{digits}f} [{score.low:.{digits}f}, {score.high:.{digits}f}]"


def seeds(result: Result) -> str:
    return str(len(result.training_seeds)) if result.training_seeds else "–"
