"""Results → boards: rows that may be ranked together, with ranks no sharper than the numbers.

The bare base is no entry of a board but its reference line: it is drawn at the same prompts and
seeds as every row, stands where its value puts it, and has no rank.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from harness.decisions.ranking import leading_metric, licences_of, passed_over, unasked
from harness.metrics.statistics.intervals import half_width, skewness_corrected
from harness.pipeline.results.read import headline, score_of
from harness.records import FLAGGING, PseudoValues, Result, Score, column_of

ASIDE = {*FLAGGING, "probe"}
BASE = "bare base"
"""What the base is called among rows that are named by their recipes."""
FindPseudoValues = Callable[[Result], PseudoValues]


@dataclass(frozen=True)
class Row:
    """One result on a board; rows that cannot be told apart share their ranks."""

    result: Result
    rank_low: int
    rank_high: int
    is_ranked: bool = True
    """Whether it has a value of what the board is ranked by; rows without one come last."""

    @property
    def flags(self) -> list[str]:
        """Return the findings that no good value can outweigh."""
        return [score.flag for score in self.result.scores if score.flag is not None]

    @cached_property
    def scores(self) -> Mapping[str, Score]:
        """Return its scores by metric, of several of one metric the first."""
        return {score.metric: score for score in reversed(self.result.scores)}

    @property
    def rank(self) -> str:
        if not self.is_ranked:
            return "–"
        same = self.rank_low == self.rank_high
        return str(self.rank_low) if same else f"{self.rank_low}–{self.rank_high}"


@dataclass(frozen=True)
class BaseRow:
    """The bare base beside the rows of a board: a reference line without a rank."""

    model: str
    scores: Mapping[str, Score]
    """By metric. An interval is that of the base's own pseudo-values; None where no result has
    them beside it."""
    above: int
    """How many rows of the board stand above it: those that are better by its main metric."""


@dataclass(frozen=True)
class Board:
    """Results of one benchmark that share a signature, best first."""

    benchmark: str
    signature: str
    metrics: tuple[str, ...]
    ranked_by: str | None
    """None where no metric may rank: then all rows share all ranks."""
    rows: tuple[Row, ...]
    floors: Mapping[str, float] = field(default_factory=dict)
    """What real pictures get, by metric: one end of a scale whose other end is the base."""
    families: Mapping[str, str] = field(default_factory=dict)
    base_row: BaseRow | None = None
    """None where the benchmark does not draw the base, or where the base's own result is a row."""
    licences: Mapping[str, str] = field(default_factory=dict)
    """Whether a metric may judge, and else why not, for those of which it is known."""

    @property
    def ranking(self) -> str:
        """Return in words by what the rows are ranked, and which metrics were passed over."""
        by = self.ranked_by
        passed = [*unasked(self.licences, by), *passed_over(self.licences, by)]
        words = "not ranked" if by is None else f"ranked by {by}"
        return f"{words} ({'; '.join(passed)})" if passed else words

    @property
    def headlines(self) -> tuple[str, ...]:
        """Return the first metric of every family that says how good a recipe is.

        Copies and broken images show as flags, and probes say what an adapter does: both are among
        all metrics.
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

    def position(self, row: Row | BaseRow, metric: str) -> float | None:
        """Return where a row lies between the base (0) and real pictures (1)."""
        score, floor, base = score_in(row, metric), self.floors.get(metric), self.base(metric)
        if score is None or score.value is None or floor is None or base is None or floor == base:
            return None
        return (score.value - base) / (floor - base)


def in_order(board: Board) -> list[Row | BaseRow]:
    """Return the rows of a board, best first, the base among them where its value puts it."""
    if board.base_row is None:
        return [*board.rows]
    above = board.base_row.above
    return [*board.rows[:above], board.base_row, *board.rows[above:]]


def score_in(row: Row | BaseRow, metric: str) -> Score | None:
    return row.scores.get(metric)


def boards(
    results: Sequence[Result],
    pseudo_values: FindPseudoValues = lambda _: PseudoValues(),
) -> list[Board]:
    """Return one board a benchmark and signature, the fullest of a benchmark first.

    `pseudo_values` finds those of a result, so that rows are told apart prompt by prompt and the
    base has an interval.
    """
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        groups.setdefault((result.benchmark, result.signature), []).append(result)
    ranked = [_board(*named, group, pseudo_values) for named, group in groups.items()]
    return sorted(ranked, key=lambda board: (board.benchmark, -len(board.rows), board.signature))


def _board(
    benchmark: str,
    signature: str,
    results: list[Result],
    pseudo_values: FindPseudoValues,
) -> Board:
    scores = {score.metric: score for each in results for score in each.scores}
    ranked_by = leading_metric(results)
    valued = {score.metric for each in results for score in each.scores if score.value is not None}
    looked = {column_of(name) for name in valued if scores[name].family in FLAGGING}
    ranked = sorted(
        results,
        key=lambda each: (
            _flagged(each),
            _is_blind(each, looked),
            _worth(each, ranked_by),
            each.recipe,
        ),
    )
    return Board(
        benchmark,
        signature,
        metrics=tuple(scores),
        ranked_by=ranked_by,
        rows=tuple(_ranked(ranked, ranked_by, looked, pseudo_values)),
        floors={name: score.floor for name, score in scores.items() if score.floor is not None},
        families={name: score.family for name, score in scores.items()},
        base_row=_base_row(ranked, ranked_by, looked, pseudo_values),
        licences=licences_of(results),
    )


def _ranked(
    ranked: Sequence[Result],
    metric: str | None,
    looked: Collection[str],
    pseudo_values: FindPseudoValues,
) -> list[Row]:
    """Return rows whose ranks are shared by all that cannot be told from the best of them.

    Groups are formed once, from the top, over the whole table: no choice of rows moves any. A row
    in which nobody looked for copies or broken images is not surely better than one with a flag.
    """
    groups: list[list[Result]] = []
    for result in ranked:
        best = groups[-1][0] if groups else None
        unsure = best is not None and _flagged(result) and _is_blind(best, looked)
        if best is None or (not unsure and _surely_better(best, result, metric, pseudo_values)):
            groups.append([])
        groups[-1].append(result)
    rows, above = [], 0
    for group in groups:
        rows += [
            Row(result, above + 1, above + len(group), _has_worth(result, metric))
            for result in group
        ]
        above += len(group)
    return rows


def _is_blind(result: Result, looked: Collection[str]) -> bool:
    """Return whether a result carries no flag, and has no value of a metric that looks for copies
    or broken images in other rows."""
    valued = {column_of(score.metric) for score in result.scores if score.value is not None}
    return not _flagged(result) and not valued >= set(looked)


def _base_row(
    ranked: Sequence[Result],
    ranked_by: str | None,
    looked: Collection[str],
    pseudo_values: FindPseudoValues,
) -> BaseRow | None:
    """Return the base's row from what every row says of it, the fullest row first."""
    drawn = {result.keys["base"] for result in ranked if "base" in result.keys}
    if any(result.keys.get("sample") in drawn for result in ranked):
        return None
    scores: dict[str, Score] = {}
    for result in sorted(ranked, key=lambda each: -each.images.scored):
        new = [score for score in result.scores if score.base and score.metric not in scores]
        own = pseudo_values(result).base if new else {}
        for score in new:
            prompts = own.get(column_of(score.metric), {})
            scores[score.metric] = base_score(score, [*prompts.values()])
    if not scores:
        return None
    end = scores.get(ranked_by) if ranked_by else None
    above = [
        result
        for result in ranked
        if not _flagged(result)
        and not _is_blind(result, looked)
        and (end is None or _worth(result, ranked_by) <= _worth_of(end))
    ]
    base = ranked[0].protocol.get("base")
    model = str(base[0]) if isinstance(base, list | tuple) and base else BASE
    return BaseRow(model, scores, len(above))


def base_score(score: Score, pseudo: Sequence[float]) -> Score:
    """Return the base's own score from one that was paired with it."""
    assert score.base is not None
    value, low, high = score.base.value, None, None
    if len(pseudo) > 1:
        down, up = skewness_corrected(np.array(pseudo))
        low, high = value - float(down), value + float(up)
    return Score(
        metric=score.metric,
        value=value,
        low=low,
        high=high,
        n=score.n,
        higher_is_better=score.higher_is_better,
        family=score.family,
    )


def _worth(result: Result, metric: str | None) -> float:
    """Return a number by which results are in order, best first."""
    score = score_of(result, metric) if metric else None
    return float("inf") if score is None else _worth_of(score)


def _has_worth(result: Result, metric: str | None) -> bool:
    """Return whether a result has a value of what a board is ranked by, if by anything."""
    return metric is None or _worth(result, metric) < float("inf")


def _worth_of(score: Score) -> float:
    if score.value is None:
        return float("inf")
    return -score.value if score.higher_is_better else score.value


def _flagged(result: Result) -> bool:
    return any(score.flag is not None for score in result.scores)


def _surely_better(
    one: Result, other: Result, metric: str | None, pseudo_values: FindPseudoValues
) -> bool:
    """Return whether a value is surely better: paired by prompt where both are of one file each,
    else where one's interval lies wholly on the better side of the other's.

    A result with a flag is behind every result without: copies and smears do not win.
    """
    if _flagged(one) != _flagged(other):
        return _flagged(other)
    if metric is None:
        return False
    a, b = score_of(one, metric), score_of(other, metric)
    if a is None or a.value is None or a.low is None or a.high is None:
        return False
    if b is None or b.value is None or b.low is None or b.high is None:
        return True
    sign = 1 if a.higher_is_better else -1
    if one.interval == other.interval == "file":
        column = column_of(metric)
        mine, theirs = (pseudo_values(each).own.get(column, {}) for each in (one, other))
        common = [prompt for prompt in mine if prompt in theirs]
        if len(common) > 1:
            gaps = np.array([mine[prompt] - theirs[prompt] for prompt in common])
            return bool(sign * (a.value - b.value) > half_width(gaps))
    return a.low > b.high if a.higher_is_better else a.high < b.low
