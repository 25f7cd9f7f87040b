"""Results → boards: rows that may be ranked together, with ranks no sharper than the numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from harness.metrics.intervals import reach_of
from harness.pipeline.results.read import headline, score_of
from harness.records import Result

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
        for each in real
        if same_yardstick(each.protocol, ranked[0].protocol)
        for score in each.scores
        if score.value is not None
    }
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
