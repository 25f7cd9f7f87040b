"""A recipe over its strengths or checkpoints: the values to draw, and which point to take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from harness.decisions.advice import Advice
from harness.decisions.probed import with_probe_of
from harness.decisions.stopping import advise
from harness.decisions.sweep import Point, barred, flags, metrics_in_order, with_bands
from harness.errors import HarnessError
from harness.report.sweep import page_values, state_of
from harness.views.reports_index import Entry, ReportsIndex

KINDS = {"strength": "strength-", "checkpoint": "step-"}


@dataclass(frozen=True)
class Sweep:
    """One recipe at many strengths or checkpoints, in order."""

    recipe: str
    over: str
    benchmark: str
    entries: tuple[Entry, ...]
    points: tuple[float, ...]
    advice: Advice | None
    """None where the results do not say which point to take."""
    judged: tuple[Point, ...] = ()
    """The points with their pseudo-values, where these can be read."""


def sweeps_of(index: ReportsIndex, recipe: str) -> list[Sweep]:
    """Return the sweeps of a recipe, one a kind and signature of its results."""
    all_sweeps = []
    every = [each for each in index.sweep_points(recipe) if each.result is not None]
    for over, prefix in KINDS.items():
        own = [each for each in every if each.recipe.startswith(prefix)]
        for benchmark in dict.fromkeys(each.file.path.parents[2].name for each in own):
            points = sorted(
                (float(each.recipe.removeprefix(prefix)), each.name, each)
                for each in own
                if each.file.path.parents[2].name == benchmark
            )
            entries = tuple(each for _, _, each in points)
            at = tuple(value for value, _, _ in points)
            judged = _judged(over, at, entries)
            advice = _advice(judged)
            all_sweeps.append(Sweep(recipe, over, benchmark, entries, at, advice, judged))
    return all_sweeps


def labels(all_sweeps: Sequence[Sweep]) -> list[str]:
    """Return a label per sweep: strength or checkpoint, with the benchmark where two are alike."""
    overs = [each.over for each in all_sweeps]
    return [
        each.over if overs.count(each.over) == 1 else f"{each.over} · {each.benchmark}"
        for each in all_sweeps
    ]


def _judged(over: str, at: Sequence[float], entries: Sequence[Entry]) -> tuple[Point, ...]:
    """Return the points; without pseudo-values, and so without advice, where one has none."""
    whole = [(value, each) for value, each in zip(at, entries, strict=True) if each.result]
    try:
        points = [
            Point.of(value, each.result, each.file.pseudo_values())
            for value, each in whole
            if each.result is not None
        ]
        probed = over == "checkpoint" and bool(whole)
        return tuple(with_probe_of(points, whole[-1][1].file) if probed else points)
    except (HarnessError, OSError):
        return tuple(Point(value, each.result, {}) for value, each in whole if each.result)


def _advice(judged: Sequence[Point]) -> Advice | None:
    if not any(point.prompts for point in judged):
        return None
    try:
        return advise(judged)
    except HarnessError:
        return None


def rows(sweep: Sweep) -> list[dict[str, Any]]:
    """Return a row a point and metric that has a value, for charts, the bare base's too.

    Intervals hold for all points of the sweep together.
    """
    advice = sweep.advice or Advice(None, "")
    return [
        {
            "at": point.at,
            "metric": score.metric,
            "value": score.value,
            "low": score.low,
            "high": score.high,
            "up": score.higher_is_better,
            "flagged": bool(flags(point.result)),
            "taken": point.at == advice.at,
            "state": state_of(point.at, sweep.judged, advice),
        }
        for point in with_bands(sweep.judged)
        for score in point.result.scores
        if score.value is not None
    ]


def values(sweep: Sweep) -> dict[str, Any]:
    """Return what a page without a server shows of a sweep, as plain values."""
    shown = page_values(sweep.recipe, sweep.over, sweep.judged, sweep.advice or Advice(None, ""))
    return {
        **{name: value for name, value in shown.items() if name not in ("advice", "curves")},
        "name": f"{sweep.recipe} · {sweep.over} · {sweep.benchmark}",
        "reason": sweep.advice.reason if sweep.advice is not None else "",
        "curves": [asdict(curve) for curve in shown["curves"]],
    }


def copying_points(sweep: Sweep) -> list[float]:
    """Return the points whose images are copies of training pictures."""
    return [
        at
        for at, each in zip(sweep.points, sweep.entries, strict=True)
        if each.result is not None and flags(each.result)
    ]


def metrics_of(sweep: Sweep) -> list[str]:
    """Return the metrics that may judge and have values, those that advice is by first."""
    return metrics_in_order(sweep.judged)


def barred_of(sweep: Sweep) -> list[str]:
    """Return which metrics may not judge, and why."""
    return [f"{metric} may not judge here: {why}" for metric, why in barred(sweep.judged).items()]
