"""A sanity card: real pictures, damaged in known ways, as every metric of a benchmark sees them.

Its first line is the floor: half of the reference judged against the other half, which is as good
as any recipe can be. The others show which metric notices what, and in which direction; from them
every metric gets its licence. The damage is done in `pipeline/stages/treat.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from harness.interfaces import MetricSpec
from harness.metrics.licence import Answer, Licence, Response, licence
from harness.metrics.statistics.intervals import Ends, difference_of
from harness.records import Score, column_of

REAL = "real"
COPIES, OTHER = "copies", "other-style"
SHARES = {"other-25": 0.25, "other-50": 0.5, "other-75": 0.75}
"""The damages in which so many of the pictures are of another style."""
MIXTURES = (*SHARES, OTHER)
SUMMARIES = {
    REAL: "half of the reference, against the other half",
    "blur": "softened",
    "jpeg": "saved as JPEG at quality 6",
    "noise": "with coarse grain",
    "grey": "without colour",
    "black": "one in four black",
    "patches": "cut into sixteen parts that are laid anew",
    "smears": "soft, bent areas in mixed colours",
    "shuffled": "each with another picture's caption",
    "collapsed": "four pictures over and over, twice for every prompt",
    COPIES: "pictures that recipes train on, as they are",
    **{name: f"{share:.0%} of them drawn by the bare base" for name, share in SHARES.items()},
    OTHER: "drawn by the bare base, which was taught no style",
}
"""Every damage in words, in the order in which a card shows them."""


@dataclass(frozen=True)
class SanityCard:
    """Metrics down, damages across."""

    metrics: tuple[Score, ...]
    """What each says of real pictures."""
    damages: tuple[str, ...]
    answers: Mapping[tuple[str, str], Answer]
    """By metric and damage."""

    @property
    def floors(self) -> dict[str, float]:
        return {each.metric: each.value for each in self.metrics if each.value is not None}

    def licences(self, metrics: Sequence[MetricSpec]) -> dict[str, Licence]:
        """Return which of these metrics may judge, by their column, and why the others may not."""
        floors = {column_of(score.metric): score for score in self.metrics}
        known = [spec for spec in metrics if spec.column in floors]
        return {spec.column: self._licence(floors[spec.column], spec) for spec in known}

    def _licence(self, floor: Score, spec: MetricSpec) -> Licence:
        if floor.value is None:
            return Licence("unavailable", reason=floor.reason)
        answers = {name: self.answers[floor.metric, name] for name in self.damages}
        return licence(spec.must_detect, answers, floor.n, spec.higher_is_better, MIXTURES)


def card_of(rows: Mapping[str, Sequence[Score]]) -> SanityCard:
    """Return the card of what every metric says of real pictures and of each damage."""
    floors = tuple(rows[REAL])
    damages = tuple(name for name in SUMMARIES if name in rows and name != REAL)
    answers = {
        (score.metric, name): _answer(score, _same(rows[name], score.metric))
        for score in floors
        for name in damages
    }
    return SanityCard(floors, damages, answers)


def _same(scores: Sequence[Score], metric: str) -> Score | None:
    return next((each for each in scores if each.metric == metric), None)


def _answer(floor: Score, score: Score | None) -> Answer:
    if score is None or score.value is None:
        reason = score.reason if score else "another N"
        return Answer(None, None, None, None, "unavailable", reason)
    if score.base is not None:
        delta, low, high = score.base.delta, score.base.low, score.base.high
    elif floor.value is None:
        return Answer(score.value, None, None, None, "unavailable", floor.reason)
    else:
        delta, low, high = difference_of(_ends(score), _ends(floor))
    if low <= 0 <= high:
        response: Response = "none"
    else:
        response = "better" if (delta > 0) == score.higher_is_better else "worse"
    return Answer(score.value, delta, low, high, response)


def _ends(score: Score) -> Ends:
    assert score.value is not None
    assert score.low is not None
    assert score.high is not None
    return score.value, score.low, score.high


def rows_of(card: SanityCard) -> list[dict[str, Any]]:
    """Return a card as rows of a table: real pictures first, then a row a metric and damage."""
    floors = [
        {
            "metric": each.metric,
            "damage": REAL,
            "higher_is_better": each.higher_is_better,
            "n": each.n,
            "value": each.value,
            "low": each.low,
            "high": each.high,
            "reason": each.reason,
        }
        for each in card.metrics
    ]
    return floors + [
        {"metric": metric, "damage": damage, **vars(answer)}
        for (metric, damage), answer in card.answers.items()
    ]


_FLOOR = ("metric", "value", "low", "high", "n", "higher_is_better", "reason")
_ANSWER = tuple(each.name for each in fields(Answer))


def read_rows(rows: Iterable[Mapping[str, Any]]) -> SanityCard:
    """Return the card that a table holds."""
    floors, answers = [], {}
    for row in rows:
        if row["damage"] == REAL:
            floors.append(Score(**{name: row[name] for name in _FLOOR}))
        else:
            answers[row["metric"], row["damage"]] = Answer(**{name: row[name] for name in _ANSWER})
    damages = tuple(dict.fromkeys(damage for _, damage in answers))
    return SanityCard(tuple(floors), damages, answers)
