"""One recipe at many strengths, or at many of its checkpoints, with the bare base beside them.

A point of a sweep is an ordinary result. Points share prompts, seeds and training, so any two are
compared by the differences of their pseudo-values, prompt by prompt. Which point to take is
decided in `stopping.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from harness.decisions.leaderboard import base_score
from harness.decisions.ranking import JUDGING, leaders, leading_metric, licences_of
from harness.interfaces import Array
from harness.metrics.statistics.best import at_once
from harness.pipeline.results.read import headline, score_of
from harness.records import PseudoValues, Result, Score, column_of, is_licensed

Kind = Literal["strength", "checkpoint"]
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)
GAIN, MEMBER = "held-out-gain", "member-test"
"""What the loss probe says, as metrics and as their families; neither ranks."""
Pseudo = Mapping[str, Mapping[str, float]]
"""By metric and prompt."""


@dataclass(frozen=True)
class Point:
    """One strength or step, with its result and pseudo-values."""

    at: float
    result: Result
    prompts: Pseudo
    base: Pseudo = field(default_factory=dict)
    """The bare base's pseudo-values, of metrics that the benchmark asks of it."""
    member_p: float | None = None
    """The p of the member test, where there is a loss probe."""

    @property
    def drawn(self) -> Result:
        """Return its result without what the loss probe adds."""
        scores = tuple(each for each in self.result.scores if each.family not in (GAIN, MEMBER))
        return self.result.model_copy(update={"scores": scores})

    @classmethod
    def of(cls, at: float, result: Result, values: PseudoValues) -> Point:
        return cls(at, result, values.own, values.base)


def base_point(points: Sequence[Point]) -> Point | None:
    """Return the bare base as a point at 0; None where it is not known, or is a point already."""
    if not points or any(point.at == 0 for point in points):
        return None
    first = next((each for each in points if any(s.base for s in each.result.scores)), points[0])
    scores = []
    for score in first.result.scores:
        if score.base is not None:
            values = [*first.base.get(column_of(score.metric), {}).values()]
            licence = {"licence": score.licence, "floor": score.floor}
            scores.append(base_score(score, values).model_copy(update=licence))
    if not scores:
        return None
    result = first.result.model_copy(update={"recipe": "base", "scores": tuple(scores)})
    return Point(0.0, result, first.base)


def stopped_words(result: Result) -> str | None:
    """Return why a race stopped a point, if one did: its result is of fewer images."""
    found = result.provenance.get("race")
    return str(found["stopped"]) if isinstance(found, dict) and "stopped" in found else None


def flags(result: Result) -> list[str]:
    return [score.flag for score in result.scores if score.flag is not None]


def gap(a: Point, b: Point, metric: str) -> tuple[float, Array]:
    """Return a − b in a metric's value, and in the pseudo-values of the prompts that both have."""
    one, two = (point.prompts.get(column_of(metric), {}) for point in (a, b))
    each = np.array([one[prompt] - two[prompt] for prompt in one if prompt in two], np.float64)
    return value_of(a, metric) - value_of(b, metric), each


def value_of(point: Point, metric: str) -> float:
    """Return a metric's value at a point that has one."""
    score = score_of(point.result, metric)
    assert score is not None
    assert score.value is not None
    return score.value


def prompts_of(point: Point, metric: str) -> int:
    """Return by how many prompts a metric is known at a point."""
    return len(point.prompts.get(column_of(metric), {}))


def with_bands(points: Sequence[Point]) -> list[Point]:
    """Return the points, the bare base first where it is known, with intervals that hold for all
    of them together 19 times in 20, metric by metric."""
    base = base_point(points)
    shown = sorted([*([base] if base else []), *points], key=lambda each: each.at)
    counts = Counter(
        score.metric for point in shown for score in point.result.scores if score.low is not None
    )

    def widened(point: Point, score: Score) -> Score:
        if score.value is None or score.low is None or score.high is None:
            return score
        ends, units = (score.low, score.high, score.value), prompts_of(point, score.metric)
        low, high = at_once(*ends, units, counts[score.metric])
        return score.model_copy(update={"low": low, "high": high})

    def banded(point: Point) -> Point:
        scores = tuple(widened(point, each) for each in point.result.scores)
        return replace(point, result=point.result.model_copy(update={"scores": scores}))

    return [banded(point) for point in shown]


def metrics_in_order(points: Sequence[Point]) -> list[str]:
    """Return the metrics that may judge and have values, those that advice is by first."""
    results = [point.result for point in points]
    ranked_by, first = leading_metric([point.drawn for point in points]), leaders(results)
    judging = [first[family] for family in JUDGING if family in first]
    names = [
        score.metric
        for each in results
        for score in each.scores
        if score.may_judge and score.value is not None
    ]
    order = [*([ranked_by] if ranked_by in names else []), *judging, *sorted(names, key=headline)]
    return list(dict.fromkeys(order))


def barred(points: Sequence[Point]) -> dict[str, str]:
    """Return why metrics may not judge here, those that may not."""
    licences = licences_of(point.result for point in points)
    return {metric: words for metric, words in licences.items() if not is_licensed(words)}
