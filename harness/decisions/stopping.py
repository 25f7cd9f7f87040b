"""Which point of a sweep to take, and which cannot be told apart from it.

The metric that ranks decides, with the first licensed metric of the style and the held-out gain of
the loss probe beside it. Each names the points that may be its best: a set that holds the best one
19 times in 20. The earliest of those that all agree on is taken: least training, or least strength,
costs least of what the base could do. Advice never says more than these sets do.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from harness.decisions.advice import (
    Advice,
    Stop,
    Stretch,
    cost,
    memorized,
    no_better,
    objection,
    only_better,
    place,
    span_to_end,
    why_taken,
)
from harness.decisions.probed import memorizing
from harness.decisions.ranking import JUDGING, leaders, leading_metric, licences_of, passed_over
from harness.decisions.sweep import (
    Point,
    base_point,
    flags,
    gap,
    prompts_of,
    stopped_words,
    value_of,
)
from harness.errors import UsageError
from harness.metrics.statistics.best import above_p, above_p_of_interval, beaten_p
from harness.metrics.statistics.intervals import ALPHA
from harness.metrics.statistics.multiple import holm
from harness.pipeline.results.read import score_of
from harness.records import FLAGGING, Score, Versus, column_of

COSTS = ("prompt", "quality", "diversity")
"""Families of which it is said what the point that is taken costs."""


def advise(points: Sequence[Point]) -> Advice:
    """Return the earliest point of those that cannot be told apart from the best.

    No point is recommended where no metric may judge, or where none is surely better than the bare
    base. A point is left out where it carries a flag, or where a metric that looks for copies or
    broken images at others has no value.
    """
    results = [point.drawn for point in points if stopped_words(point.result) is None]
    ranked_by = leading_metric(results)
    passed = passed_over(licences_of(results), ranked_by)
    if ranked_by is None:
        return Advice(None, "; ".join(passed) or "there is no metric that ranks")
    usable, stops = _usable(points, ranked_by)
    every = sorted(point.at for point in points)
    said = [f"left out: {span_to_end(each.points, every)} ({each.why})" for each in stops]
    if not usable:
        return Advice(None, "; ".join(["no point is left", *said, *passed]), stops=stops)
    stretches = _stretches(usable, points, ranked_by)
    better = _surely_better_than_base(usable, ranked_by)
    own = tuple(at for at in stretches[0].points if at in better)
    if not own:
        reasons = [no_better(_best(usable, ranked_by), ranked_by), *said, *passed]
        return Advice(None, "; ".join(reasons), (), stretches, stops)
    known = memorizing(points)
    agreed, judges, against = _agreed(own, stretches, usable)
    if set(agreed) <= set(known) and (left := tuple(at for at in own if at not in known)):
        rivals = [point for point in usable if point.at not in known]
        beside = _stretches(rivals, points, ranked_by)[1:]
        agreed, judges, against = _agreed(left, (stretches[0], *beside), usable)
    agreed = tuple(at for at in agreed if at not in known) or agreed
    taken = next(point for point in usable if point.at == agreed[0])
    reasons = [why_taken(taken, judges, usable, every)]
    reasons += [only_better(own, every)] if own != stretches[0].points else []
    reasons += [objection(each, every) for each in against]
    reasons += [memorized(known, every)] if known else []
    reasons += [*_costs(taken), *said, *passed]
    stops += (Stop("the member test says memorizing", known),) if known else ()
    return Advice(taken.at, "; ".join(reasons), agreed, stretches, stops)


def left_out(point: Point, looked: Collection[str]) -> list[str]:
    """Return why a point may not be chosen: its flags, and what was not looked for."""
    if (stopped := stopped_words(point.result)) is not None:
        return [*flags(point.result), stopped]
    valued = {column_of(each.metric) for each in point.result.scores if each.value is not None}
    blind = sorted(set(looked) - valued)
    return [*flags(point.result), *(f"has no {name}" for name in blind)]


def _usable(points: Sequence[Point], metric: str) -> tuple[list[Point], tuple[Stop, ...]]:
    """Return the points that may be taken, in order, and why the others may not."""
    looked = _looked_for_flags(points)
    why: dict[str, list[float]] = {}
    clean = []
    for point in sorted(points, key=lambda each: each.at):
        reasons = left_out(point, looked)
        if not reasons and _has_value(point, metric):
            clean.append(point)
        for reason in reasons:
            why.setdefault(reason, []).append(point.at)
    if not clean and not any(_has_value(point, metric) for point in points):
        raise UsageError(f"no point without a flag has a {metric}", hint="see the results")
    if not clean:
        return [], _stops(why)
    best = _best(clean, metric)
    usable = [point for point in clean if point is best or len(gap(point, best, metric)[1]) > 1]
    for point in clean:
        if point not in usable:
            words = f"too few prompts in common with {place(best.at)} to be told apart"
            why.setdefault(words, []).append(point.at)
    return usable, _stops(why)


def _stops(why: Mapping[str, Sequence[float]]) -> tuple[Stop, ...]:
    return tuple(Stop(reason, tuple(at)) for reason, at in why.items())


def _looked_for_flags(points: Sequence[Point]) -> set[str]:
    """Return the columns that look for copies or broken images, of which some point has a value."""
    scores = [score for point in points for score in point.result.scores]
    return {
        column_of(score.metric)
        for score in scores
        if score.family in FLAGGING and score.value is not None
    }


def _has_value(point: Point, metric: str) -> bool:
    score = score_of(point.result, metric)
    return score is not None and score.value is not None


def _sign(points: Sequence[Point], metric: str) -> float:
    """Return the factor by which more of a metric is better."""
    score = score_of(points[0].result, metric)
    assert score is not None
    return 1.0 if score.higher_is_better else -1.0


def _best(points: Sequence[Point], metric: str) -> Point:
    sign = _sign(points, metric)
    return max(points, key=lambda point: sign * value_of(point, metric))


def _stretches(
    usable: Sequence[Point], points: Sequence[Point], ranked_by: str
) -> tuple[Stretch, ...]:
    """Return what may be best by the metric that ranks, and by those that judge beside it."""
    first = leaders([point.result for point in usable])
    own = next(s.family for p in usable for s in p.result.scores if s.metric == ranked_by)
    beside = [first[family] for family in JUDGING if family in first and family != own]
    unseen = sum(stopped_words(point.result) is not None for point in points)
    judges = [ranked_by, *(each for each in beside if all(_has_value(p, each) for p in usable))]
    return tuple(
        Stretch(
            metric,
            _best(usable, metric).at,
            may_be_best(usable, metric, base_point(points), ALPHA / len(judges), unseen),
        )
        for metric in judges
    )


def may_be_best(
    points: Sequence[Point],
    metric: str,
    base: Point | None,
    alpha: float = ALPHA,
    unseen: int = 0,
) -> tuple[float, ...]:
    """Return the points that no other, nor the base, is surely better than.

    Rivals that a race stopped are `unseen`: they count, since it chose which ones are seen.
    """
    sign = _sign(points, metric)
    rivals = [*points, *([base] if base is not None and _has_value(base, metric) else [])]

    def p_of(point: Point) -> float:
        gaps = [gap(other, point, metric) for other in rivals if other is not point]
        p = [above_p(sign * whole, sign * each) for whole, each in gaps]
        return beaten_p([*p, *[1.0] * unseen])

    return tuple(point.at for point in points if p_of(point) >= alpha)


def _surely_better_than_base(points: Sequence[Point], metric: str) -> set[float]:
    """Return the points that are surely better than the base, adjusted over all of them (Holm);
    all points where the base is not known."""
    scores = {point.at: score_of(point.result, metric) for point in points}
    known = {at: each for at, each in scores.items() if each is not None and each.base is not None}
    if not known:
        return set(scores)
    units = {point.at: prompts_of(point, metric) for point in points}
    p = [_better_p(score, units[at]) for at, score in known.items()]
    adjusted = zip(known, holm([2 * each for each in p]), strict=True)
    return {at for at, each in adjusted if each < ALPHA}


def _better_p(score: Score, units: int) -> float:
    """Return the one-sided p of a score that is better than the base's."""
    assert score.base is not None
    sign = 1.0 if score.higher_is_better else -1.0
    return above_p_of_interval(sign * score.base.delta, _reach(score.base), units)


def _reach(versus: Versus) -> float:
    return (versus.high - versus.low) / 2


def _agreed(
    own: tuple[float, ...], stretches: Sequence[Stretch], usable: Sequence[Point]
) -> tuple[tuple[float, ...], list[Stretch], list[Stretch]]:
    """Return the points that all judges hold for possible, which judges these are, and those that
    hold for possible none of them.

    A judge is asked about the points that the ones before it cannot tell apart: what is surely
    worse by those is no rival.
    """
    agreed, judges, against = own, [stretches[0]], []
    for stretch in stretches[1:]:
        if not set(own) & set(stretch.points):
            against.append(stretch)
            continue
        left = [point for point in usable if point.at in agreed]
        agreed = may_be_best(left, stretch.metric, None, ALPHA / len(stretches))
        judges.append(replace(stretch, points=agreed))
    return agreed, judges, against


def _costs(point: Point) -> list[str]:
    """Return in which metrics a point is surely worse than the base, adjusted over all (Holm)."""
    first = leaders([point.result])
    asked = [score_of(point.result, first[family]) for family in COSTS if family in first]
    scores = [score for score in asked if score is not None and score.base is not None]
    p = [2 * _worse_p(score, prompts_of(point, score.metric)) for score in scores]
    return [
        cost(score.metric, score.base)
        for score, each in zip(scores, holm(p), strict=True)
        if each < ALPHA and score.base is not None
    ]


def _worse_p(score: Score, units: int) -> float:
    return _better_p(
        score.model_copy(update={"higher_is_better": not score.higher_is_better}), units
    )
