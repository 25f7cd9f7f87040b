"""One recipe at many strengths, or at many of its checkpoints; and which of them to take.

A point of a sweep is an ordinary result. Points share prompts, seeds and training, so any two are
compared by the differences of their pseudo-values, prompt by prompt.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.decisions.ranking import leading_metric, licences_of, passed_over
from harness.errors import UsageError
from harness.metrics.statistics.intervals import half_width
from harness.pages.benchmark import Judgement
from harness.pages.recipe import Recipe
from harness.pipeline.plan import RunPlan, plan
from harness.pipeline.results.read import score_of
from harness.records import Result, Score, Versus, column_of

Kind = Literal["strength", "checkpoint"]
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)
Pseudo = Mapping[str, Mapping[str, float]]
"""By metric and prompt."""


@dataclass(frozen=True)
class Point:
    """One strength or step, with its result and pseudo-values."""

    at: float
    result: Result
    prompts: Pseudo


@dataclass(frozen=True)
class Advice:
    """Which point to take, and why; None where none can be recommended."""

    at: float | None
    reason: str

    def __str__(self) -> str:
        return f"take {'none' if self.at is None else f'{self.at:g}'}: {self.reason}"


def at_strengths(
    recipe: Recipe, judgement: Judgement, strengths: Sequence[float]
) -> list[tuple[float, RunPlan]]:
    """Return a plan for every strength of the recipe's adapter."""
    if recipe.train is None and (recipe.load is None or recipe.load.model is not None):
        raise UsageError(f"{recipe.name} has no adapter", hint="a strength is an adapter's")
    if recipe.train is not None and recipe.train.method != "lora":
        raise UsageError(
            f"{recipe.name} trains the whole model, at one strength",
            hint="sweep an adapter, or --over checkpoint",
        )
    variants = []
    for strength in strengths:
        sampler = judgement.sampler.model_copy(update={"adapter_scale": strength})
        benchmark = judgement.benchmark.model_copy(update={"sampler": sampler})
        whole = plan(recipe, replace(judgement, benchmark=benchmark))
        variants.append((strength, replace(whole, recipe=f"strength-{strength:g}")))
    return variants


def at_checkpoints(recipe: Recipe, judgement: Judgement) -> list[tuple[float, RunPlan]]:
    """Return a plan for every checkpoint that the recipe keeps, and for its end."""
    every = recipe.train.checkpoint_every if recipe.train else None
    if recipe.train is None or every is None:
        raise UsageError(f"{recipe.name} keeps no checkpoints", hint="give it checkpoint_every")
    steps = [*range(every, recipe.train.steps, every), recipe.train.steps]
    return [
        (
            step,
            replace(
                plan(recipe, judgement, step if step < recipe.train.steps else None),
                recipe=f"step-{step}",
            ),
        )
        for step in steps
    ]


def advise(points: Sequence[Point]) -> Advice:
    """Return the earliest point that no other is surely better than, copies left out.

    Earliest is least training, or least strength: what costs least of what the base could do. No
    point is recommended where no metric may judge, or where none is surely better than the base. A
    point is left out where a metric that looks for copies at others has no value.
    """
    looked, results = _looked_for_copies(points), [point.result for point in points]
    ranked_by = leading_metric(results)
    passed = passed_over(licences_of(results), ranked_by)
    if ranked_by is None:
        return Advice(None, "; ".join(passed) or "there is no metric that ranks")
    scored = [
        (point, score)
        for point in points
        if not left_out(point, looked)
        and (score := score_of(point.result, ranked_by)) is not None
        and score.value is not None
    ]
    if not scored:
        raise UsageError(f"no point without a flag has a {ranked_by}", hint="see the results")
    sign = -1.0 if scored[0][1].higher_is_better else 1.0
    best, its_score = min(scored, key=lambda pair: sign * float(pair[1].value or 0))
    if its_score.base is not None and not _is_surely_better(its_score, its_score.base):
        return Advice(None, "; ".join([_no_better(best, ranked_by, its_score.base), *passed]))
    for point, _ in sorted(scored, key=lambda pair: pair[0].at):
        gap, reach = difference(point, best, ranked_by)
        if abs(gap) <= reach < float("inf") or point is best:
            reason = _because(point, best, ranked_by, gap, reach, points)
            return Advice(point.at, "; ".join([reason, *passed]))
    raise AssertionError("the best point is one of them")


def _is_surely_better(score: Score, base: Versus) -> bool:
    return base.low > 0 if score.higher_is_better else base.high < 0


def _no_better(best: Point, metric: str, base: Versus) -> str:
    return (
        f"no point is surely better than the bare base: the best by {metric}, {best.at:g}, "
        f"differs by {base.delta:+.3g} [{base.low:.2g}, {base.high:.2g}]"
    )


def _looked_for_copies(points: Sequence[Point]) -> set[str]:
    """Return the columns that look for copies, and that some point has a value of."""
    scores = [score for point in points for score in point.result.scores]
    return {
        column_of(score.metric)
        for score in scores
        if score.family == "copying" and score.value is not None
    }


def left_out(point: Point, looked: Collection[str]) -> list[str]:
    """Return why a point may not be chosen: its flags, and copies that were not looked for."""
    valued = {column_of(each.metric) for each in point.result.scores if each.value is not None}
    blind = sorted(set(looked) - valued)
    return [*flags(point.result), *(f"has no {name}" for name in blind)]


def flags(result: Result) -> list[str]:
    return [score.flag for score in result.scores if score.flag is not None]


def difference(a: Point, b: Point, metric: str) -> tuple[float, float]:
    """Return a − b in a metric's value, and half the width of its interval."""
    one, two = (point.prompts.get(column_of(metric), {}) for point in (a, b))
    common = [prompt for prompt in one if prompt in two]
    gaps: NDArray[np.float64] = np.array([one[prompt] - two[prompt] for prompt in common])
    mine, other = score_of(a.result, metric), score_of(b.result, metric)
    assert mine is not None
    assert other is not None
    gap = float(mine.value or 0) - float(other.value or 0)
    return gap, half_width(gaps) if len(gaps) > 1 else float("inf")


def _because(
    point: Point, best: Point, metric: str, gap: float, reach: float, points: Sequence[Point]
) -> str:
    chosen = score_of(point.result, metric)
    assert chosen is not None
    words = [f"{metric} {chosen.value:.4g}"]
    if point is best:
        words.append(f"the best value, and {_earlier(best, metric, points)}")
    else:
        words.append(
            f"no later point is surely better: the best, {best.at:g}, "
            f"differs by {gap:+.3g} ± {reach:.2g}"
        )
    looked = _looked_for_copies(points)
    for other in points:
        words += [f"{other.at:g} is left out: it {why}" for why in left_out(other, looked)]
    return "; ".join(words)


def _earlier(best: Point, metric: str, points: Sequence[Point]) -> str:
    """Return what is known of the points before the best one."""
    scores = [(point, score_of(point.result, metric)) for point in points if point.at < best.at]
    valued = [point for point, score in scores if score is not None and score.value is not None]
    if any(difference(point, best, metric)[1] == float("inf") for point in valued):
        return "earlier points have too few prompts in common with it to be told apart"
    return "every earlier point is surely worse"
