"""Race the points of a sweep: each look is drawn and judged as a small benchmark of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from harness.api.results import Raced, Sweep
from harness.api.sweeping import plans_of, sweep_of, swept
from harness.decisions.advice import listed, place
from harness.decisions.racing import Look, Race, Stopped, looks_of, part_of, race
from harness.decisions.sweep import Kind, Point
from harness.interfaces import MetricSpec
from harness.pages.benchmark import Judgement
from harness.pipeline.missing import missing
from harness.pipeline.plan import RunPlan, after, without
from harness.pipeline.request import Request
from harness.pipeline.results.assemble import card_in, write_result
from harness.pipeline.results.file import ResultFile
from harness.pipeline.results.read import headline
from harness.pipeline.run import execute, make_all
from harness.pipeline.run_settings import RunSettings
from harness.records import LICENSED, Step, is_licensed

RANKING = ("fidelity", "style", "prompt", "quality", "diversity")
"""Families whose metrics can rank."""


def race_of(
    request: Request, settings: RunSettings, over: Kind, at: Sequence[float] | None = None
) -> Sweep:
    """Judge points by few prompts first, and by all only those that may still be the best.

    Where no metric may judge, there is nothing to race by, and every point is judged in full.
    """
    plans, judgement = dict(plans_of(request, over, at)), request.judgement
    metric = _racing_metric(next(iter(plans.values())), settings)
    if metric is None:
        return sweep_of(request, settings, over, at)
    looks = looks_of(len(judgement.prompts), len(judgement.benchmark.seeds))
    track = _Track(request, settings, over, tuple(plans), looks[-1], metric)
    ran = race([*plans], looks, metric.column, track.judge)
    points = [
        track.mark(point, _words(ran.stopped[point.at], looks[-1], metric.column))
        if point.at in ran.stopped
        else point
        for point in ran.points
    ]
    last = max(each for each in plans if each not in ran.stopped)
    found = swept(request.recipe.name, over, points, track.files[last])
    return replace(found, raced=_summary(ran, looks[-1], metric.column))


def _summary(ran: Race, whole: Look, column: str) -> Raced:
    return Raced(ran.images, whole.images * len(ran.points), column, tuple(sorted(ran.stopped)))


def _words(stopped: Stopped, whole: Look, column: str) -> str:
    look = stopped.look
    seeds = "1 seed" if look.seeds == 1 else f"{look.seeds} seeds"
    asked = f"stopped after {look.prompts} of {whole.prompts} prompts at {seeds}"
    if not stopped.rivals:
        return f"{asked} for its flag"
    return f"{asked}: by {column} surely worse than {listed([*map(place, stopped.rivals)])}"


def _racing_metric(plan: RunPlan, settings: RunSettings) -> MetricSpec | None:
    """Return the metric that ranks here: the first headline that the sanity card licenses."""
    licences: Mapping[str, object] = {}
    if plan.sanity is not None:
        steps = missing(plan, settings.store, plan.sanity)
        plan = without(plan, make_all(plan, steps, settings))
        if plan.sanity is not None:
            make_all(plan, missing(plan, settings.store, plan.sanity), settings)
            card = card_in(plan, settings.store)
            licences = card.licences(plan.judgement.metrics) if card is not None else {}
    may = [
        metric
        for metric in plan.judgement.metrics
        if metric.judges == "sample"
        and metric.family in RANKING
        and is_licensed(str(licences.get(metric.column, LICENSED)))
    ]
    return min(may, key=lambda metric: headline(metric.column), default=None)


@dataclass
class _Track:
    """What the race knows of every point: which images are drawn, and where its result is."""

    request: Request
    settings: RunSettings
    over: Kind
    places: tuple[float, ...]
    whole: Look
    metric: MetricSpec
    drawn: dict[float, list[Step]] = field(default_factory=dict)
    files: dict[float, ResultFile] = field(default_factory=dict)

    def judge(self, at: float, look: Look) -> Point:
        """Return a point as a look shows it; images of an earlier look are taken over."""
        judgement = self.request.judgement
        judged = judgement if look == self.whole else self._narrowed(part_of(judgement, look))
        asked = replace(self.request, judgement=judged)
        drawn = self.drawn.setdefault(at, [])
        plan = after(dict(plans_of(asked, self.over, self.places))[at], drawn)
        drawn.append(plan.step("sample"))
        outcome = execute(plan, self.settings, f"sweeps/{self.request.recipe.name}")
        self.files[at] = ResultFile(outcome.path)
        point = Point.of(at, outcome.result, self.files[at].pseudo_values())
        so_far = f"the race has asked {look.prompts} of {self.whole.prompts} prompts so far"
        return point if look == self.whole else self.mark(point, so_far)

    def _narrowed(self, judgement: Judgement) -> Judgement:
        """Return a judgement by what the race asks alone: its metric, and copies."""
        metrics = tuple(
            each
            for each in judgement.metrics
            if each == self.metric or (each.family == "copying" and each.judges == "sample")
        )
        fields: dict[str, Any] = {"metrics": metrics, "base": False, "licences": False}
        fields |= {"leakage": None, "extraction": None}
        benchmark = judgement.benchmark.model_copy(update=fields)
        return replace(judgement, benchmark=benchmark, leakage=(), extraction=())

    def mark(self, point: Point, words: str) -> Point:
        """Return a point whose result says, in its file too, how far the race has asked it."""
        race_says = {"race": {"stopped": words}}
        provenance = {**point.result.provenance, **race_says}
        result = point.result.model_copy(update={"provenance": provenance})
        write_result(result, self.files[point.at].path)
        return replace(point, result=result)
