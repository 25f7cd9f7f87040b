"""Results → boards: rows that may be ranked together, with ranks no sharper than the numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from harness.errors import PageError, Problem, UsageError
from harness.metrics.intervals import reach_of
from harness.records import Result, Score

HEADLINE = ("kid", "cmmd", "fid", "clip-score", "tag-recall", "aesthetic")
"""Metrics in the order in which they rank, where a benchmark has them."""


NOISE = ".noise.json"
"""How files end that lie beside baselines and are no results."""
ASIDE = ("copying", "probe")
Beside = Callable[[Result, str], Mapping[str, float]]
"""A result's pseudo-values of one metric, by prompt."""


@dataclass(frozen=True)
class Row:
    """One result on a board; rows that cannot be told apart share their ranks."""

    result: Result
    rank_low: int
    rank_high: int

    @property
    def flags(self) -> list[str]:
        """Return the findings that no good value can outweigh."""
        return [score.flag for score in self.result.scores if score.flag is not None]

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
    floors: Mapping[str, float] = field(default_factory=dict)
    """What real pictures get, by metric: one end of a scale whose other end is the base."""
    families: Mapping[str, str] = field(default_factory=dict)

    @property
    def headlines(self) -> tuple[str, ...]:
        """Return the first metric of every family that says how good a recipe is.

        Copies show as flags, and probes say what an adapter does: both are among all metrics.
        """
        first: dict[str, str] = {}
        for metric in sorted(self.metrics, key=headline):
            first.setdefault(self.families.get(metric) or metric, metric)
        return tuple(metric for family, metric in first.items() if family not in ASIDE)

    def base(self, metric: str) -> float | None:
        """Return the bare base's value, which every row drawn beside it holds."""
        for row in self.rows:
            score = score_of(row.result, metric)
            if score is not None and score.base is not None:
                return score.base.value
        return None

    def position(self, row: Row, metric: str) -> float | None:
        """Return where a row lies between the base (0) and real pictures (1)."""
        score, floor, base = (
            score_of(row.result, metric),
            self.floors.get(metric),
            self.base(metric),
        )
        if score is None or score.value is None or floor is None or base is None or floor == base:
            return None
        return (score.value - base) / (floor - base)


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


def every_result(folder: Path) -> list[Result]:
    """Return every result file below a folder, those on shelves too."""
    files = sorted(folder.glob("*/**/*.json"))
    return [read_result(file) for file in files if not file.name.endswith(NOISE)]


def read_result(file: Path) -> Result:
    try:
        return Result.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        lines = str(error).splitlines()
        raise PageError(
            [Problem(str(file), 1, "", f"is not a result file: {' '.join(lines[:3])[:200]}")]
        ) from None


def boards(
    results: Sequence[Result], real: Sequence[Result] = (), beside: Beside = lambda *_: {}
) -> list[Board]:
    """Return one board a benchmark and signature, the fullest of a benchmark first.

    `real` are the results of real pictures, for the floors of boards with the same yardstick;
    `beside` gives a result's pseudo-values, for rows that share prompts to be told apart by them.
    """
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        groups.setdefault((result.benchmark, result.signature), []).append(result)
    found = [_board(*named, group, real, beside) for named, group in groups.items()]
    return sorted(found, key=lambda board: (board.benchmark, -len(board.rows), board.signature))


def _board(
    benchmark: str, signature: str, results: list[Result], real: Sequence[Result], beside: Beside
) -> Board:
    scores = {score.metric: score for each in results for score in each.scores}
    ranked_by = min(scores, key=headline)
    ranked = sorted(
        results, key=lambda each: (_flagged(each), _worth(each, ranked_by), each.recipe)
    )
    rows = _ranked(ranked, ranked_by, beside)
    floors = {
        score.metric: score.value
        for each in real if same_yardstick(each.protocol, ranked[0].protocol)
        for score in each.scores if score.value is not None
    }  # fmt: skip
    families = {name: score.family for name, score in scores.items()}
    return Board(benchmark, signature, tuple(scores), ranked_by, tuple(rows), floors, families)


def _ranked(ranked: Sequence[Result], metric: str, beside: Beside) -> list[Row]:
    """Return rows whose ranks are shared by all that cannot be told from the best of them.

    Groups are formed once, from the top, over the whole table: no choice of rows moves any.
    """
    groups: list[list[Result]] = []
    for result in ranked:
        if not groups or _surely_better(groups[-1][0], result, metric, beside):
            groups.append([])
        groups[-1].append(result)
    rows, above = [], 0
    for group in groups:
        rows += [Row(result, above + 1, above + len(group)) for result in group]
        above += len(group)
    return rows


def same_yardstick(a: Mapping[str, object], b: Mapping[str, object]) -> bool:
    """Return whether two protocols measure alike, whatever images they measure."""
    parts = ("benchmark", "metrics", "reference", "originals", "extractors")
    return all(a.get(name) == b.get(name) for name in parts)


def headline(metric: str) -> int:
    """Return a metric's place among those that boards are ranked by."""
    word = metric.split("@")[0]
    return HEADLINE.index(word) if word in HEADLINE else len(HEADLINE)


def score_of(result: Result, metric: str) -> Score | None:
    return next((score for score in result.scores if score.metric == metric), None)


def _worth(result: Result, metric: str) -> float:
    score = score_of(result, metric)
    if score is None or score.value is None:
        return float("inf")
    return -score.value if score.higher_is_better else score.value


def _flagged(result: Result) -> bool:
    return any(score.flag is not None for score in result.scores)


def _surely_better(one: Result, other: Result, metric: str, beside: Beside) -> bool:
    """Return whether a value is surely better: paired by prompt where both are of one file each,
    else where one's interval lies wholly on the better side of the other's.

    A result with a flag is behind every result without: copies do not win.
    """
    if _flagged(one) != _flagged(other):
        return _flagged(other)
    a, b = score_of(one, metric), score_of(other, metric)
    if a is None or a.value is None or a.low is None or a.high is None:
        return False
    if b is None or b.value is None or b.low is None or b.high is None:
        return True
    sign = 1 if a.higher_is_better else -1
    if one.interval == other.interval == "file":
        mine, theirs = beside(one, metric), beside(other, metric)
        common = [prompt for prompt in mine if prompt in theirs]
        if len(common) > 1:
            gaps = np.array([mine[prompt] - theirs[prompt] for prompt in common])
            return bool(sign * (a.value - b.value) > reach_of(gaps))
    return a.low > b.high if a.higher_is_better else a.high < b.low


def as_json(board: Board) -> dict[str, object]:
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


def inert(text: str) -> str:
    """Return text as a cell that no program takes for a formula."""
    return f"'{text}" if text.lstrip()[:1] in tuple("=+-@") else text


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


def placed(board: Board, row: Row, metric: str) -> str:
    """Return a value with its interval, and where it lies between the base and real pictures."""
    position = board.position(row, metric)
    where = "" if position is None else f" · {round(position, 2) + 0.0:.0%}"
    return cell(score_of(row.result, metric)) + where


def arrow(board: Board, metric: str) -> str:
    scores = [score_of(row.result, metric) for row in board.rows]
    return "↑" if any(score and score.higher_is_better for score in scores) else "↓"


def cell(score: Score | None) -> str:
    """Return a value with its interval, as sharp as the interval allows."""
    if score is None:
        return "–"
    if score.value is None or score.low is None or score.high is None:
        return f"unavailable ({score.reason})"
    return ranged(score.value, score.low, score.high)


def ranged(value: float, low: float, high: float) -> str:
    """Return a value with its interval, as sharp as the interval allows."""
    width, digits = high - low, 0
    if width < 1e-12:
        return f"{value:.4g} [{low:.4g}, {high:.4g}]"
    while width * 10**digits < 15 and digits < 6:
        digits += 1
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def seeds(result: Result) -> str:
    """Return how many trainings the intervals hold for."""
    if not result.training_seeds:
        return "–"
    many = len(result.training_seeds)
    return f"{many} (any training)" if result.interval == "recipe" else f"{many} (this file)"
