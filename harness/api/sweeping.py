"""Judge one training or one adapter at many points, for the functions of this face."""

from __future__ import annotations

from collections.abc import Sequence

from harness.api.results import Sweep
from harness.decisions.probed import with_probe_of
from harness.decisions.stopping import advise
from harness.decisions.sweep import STRENGTHS, Kind, Point
from harness.pipeline.plan import RunPlan
from harness.pipeline.points import at_checkpoints, at_strengths
from harness.pipeline.request import Request
from harness.pipeline.results.file import ResultFile
from harness.pipeline.run import execute_all
from harness.pipeline.run_settings import RunSettings


def plans_of(
    request: Request, over: Kind, at: Sequence[float] | None = None
) -> list[tuple[float, RunPlan]]:
    """Return a plan for every point."""
    if over == "strength":
        return at_strengths(request.recipe, request.judgement, at or STRENGTHS)
    return at_checkpoints(request.recipe, request.judgement)


def sweep_of(
    request: Request, settings: RunSettings, over: Kind, at: Sequence[float] | None = None
) -> Sweep:
    """Judge every point by itself, and say which to take."""
    places, plans = zip(*plans_of(request, over, at), strict=True)
    outcomes = execute_all(plans, settings, f"sweeps/{request.recipe.name}")
    files = [ResultFile(each.path) for each in outcomes]
    points = [
        Point.of(place, file.result, file.pseudo_values())
        for place, file in zip(places, files, strict=True)
    ]
    return swept(request.recipe.name, over, points, files[-1])


def swept(recipe: str, over: Kind, points: Sequence[Point], last: ResultFile) -> Sweep:
    """Return a sweep with its advice; the loss probe is read beside the `last` result."""
    shown = with_probe_of(points, last) if over == "checkpoint" else points
    return Sweep(recipe, over, tuple(shown), advise(shown))
