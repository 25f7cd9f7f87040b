"""Which metric speaks first: the first headline that may judge, and which were passed over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from harness.pipeline.results.read import HEADLINE, headline
from harness.records import LICENSED, Result, is_licensed

JUDGING = ("style", "held-out-gain")
"""Families whose first licensed metric judges a sweep beside the one that ranks."""


def licences_of(results: Iterable[Result]) -> dict[str, str]:
    """Return whether metrics may judge, and else why not, for those of which a result says it."""
    return {
        score.metric: score.licence
        for each in results
        for score in each.scores
        if score.licence is not None
    }


def leading_metric(results: Sequence[Result]) -> str | None:
    """Return the metric that ranks results: of those that may judge, the first headline of which
    some result has a value; None where no metric may judge."""
    licences = licences_of(results)
    scores = [score for each in results for score in each.scores]
    may = [each for each in scores if is_licensed(licences.get(each.metric, LICENSED))]
    valued = [each for each in may if each.value is not None]
    return min((each.metric for each in valued or may), key=headline, default=None)


def passed_over(licences: Mapping[str, str], by: str | None) -> list[str]:
    """Return, in words, why metrics may not judge that would have ranked before `by`."""
    barred = [name for name, licence in licences.items() if not is_licensed(licence)]
    return [
        f"{name} may not judge: {licences[name]}"
        for name in sorted(barred, key=headline)
        if outranks(name, by, [*licences])
    ]


def leaders(results: Sequence[Result]) -> dict[str, str]:
    """Return of each family the first headline that may judge and of which some result has a
    value."""
    first: dict[str, str] = {}
    for score in sorted(
        (score for each in results for score in each.scores), key=lambda each: headline(each.metric)
    ):
        if score.value is not None and score.may_judge:
            first.setdefault(score.family, score.metric)
    return first


def unasked(licences: Mapping[str, str], by: str | None) -> list[str]:
    """Return, in words, what `by` was not asked about when it got its licence."""
    words = licences.get(by or "", "").removeprefix(f"{LICENSED}, ")
    return [f"{by} was {words}"] if words and words != licences.get(by or "") else []


def outranks(metric: str, other: str | None, order: Sequence[str]) -> bool:
    """Return whether a headline ranks before another metric, where a page has them in `order`."""
    place, its = headline(metric), headline(other or "")
    if place != its or metric not in order or other not in order:
        return place < its
    return place < len(HEADLINE) and order.index(metric) < order.index(other)
