"""A recipe over its strengths or checkpoints: the values to draw, and which point to take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.decisions.sweep import Advice, Point, advise, flags
from harness.errors import HarnessError
from harness.pipeline.results.read import headline
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
            all_sweeps.append(Sweep(recipe, over, benchmark, entries, at, _advice(at, entries)))
    return all_sweeps


def labels(all_sweeps: Sequence[Sweep]) -> list[str]:
    """Return a label per sweep: strength or checkpoint, with the benchmark where two are alike."""
    overs = [each.over for each in all_sweeps]
    return [
        each.over if overs.count(each.over) == 1 else f"{each.over} · {each.benchmark}"
        for each in all_sweeps
    ]


def _advice(at: Sequence[float], entries: Sequence[Entry]) -> Advice | None:
    try:
        return advise(
            [
                Point(value, each.result, each.file.pseudo_values().own)
                for value, each in zip(at, entries, strict=True)
                if each.result is not None
            ]
        )
    except (HarnessError, OSError):
        return None


def rows(sweep: Sweep) -> list[dict[str, Any]]:
    """Return a row a point and metric that has a value, for charts."""
    return [
        {
            "at": at,
            "metric": score.metric,
            "value": score.value,
            "low": score.low,
            "high": score.high,
            "up": score.higher_is_better,
            "flagged": bool(flags(each.result)),
            "taken": sweep.advice is not None and at == sweep.advice.at,
        }
        for at, each in zip(sweep.points, sweep.entries, strict=True)
        if each.result is not None
        for score in each.result.scores
        if score.value is not None
    ]


def copying_points(sweep: Sweep) -> list[float]:
    """Return the points whose images are copies of training pictures."""
    return [
        at
        for at, each in zip(sweep.points, sweep.entries, strict=True)
        if each.result is not None and flags(each.result)
    ]


def metrics_of(sweep: Sweep) -> list[str]:
    """Return the metrics with values, those that rank first."""
    return sorted(dict.fromkeys(row["metric"] for row in rows(sweep)), key=headline)
