"""What is advised of a sweep, and in which words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.decisions.sweep import Point, gap, value_of
from harness.metrics.statistics.intervals import half_width
from harness.pipeline.results.read import score_of
from harness.records import Versus


@dataclass(frozen=True)
class Stretch:
    """The points that one metric cannot tell apart from its best."""

    metric: str
    best: float
    """Where its best value is."""
    points: tuple[float, ...]
    """None of these is surely worse than any point, or than the bare base."""


@dataclass(frozen=True)
class Stop:
    """Points that may not be taken, and why."""

    why: str
    points: tuple[float, ...]


@dataclass(frozen=True)
class Advice:
    """Which point to take, and why; None where none can be recommended."""

    at: float | None
    reason: str
    alike: tuple[float, ...] = ()
    """The points that cannot be told apart, the one to take among them."""
    stretches: tuple[Stretch, ...] = ()
    stops: tuple[Stop, ...] = ()

    def __str__(self) -> str:
        return f"take {'none' if self.at is None else place(self.at)}: {self.reason}"


def place(at: float) -> str:
    """Return a step or a strength as text."""
    return str(int(at)) if at == int(at) else f"{at:g}"


def span(chosen: Sequence[float], every: Sequence[float]) -> str:
    """Return some of all points in words, such as `100`, or `50 and from 250 to 400`."""
    return listed([word for run in _runs(chosen, every) for word in _named(run)])


def span_to_end(chosen: Sequence[float], every: Sequence[float]) -> str:
    """Return the same, where a run up to the last point is `from 450 on`."""
    runs = _runs(chosen, every)
    is_open = bool(runs) and runs[-1][-1] == every[-1] and 1 < len(runs[-1]) < len(every)
    last = [f"from {place(runs[-1][0])} on"] if is_open else []
    closed = runs[:-1] if is_open else runs
    return listed([*(word for run in closed for word in _named(run)), *last])


def _runs(chosen: Sequence[float], every: Sequence[float]) -> list[list[float]]:
    """Return the chosen of all points, those that follow each other together."""
    runs: list[list[float]] = []
    for at, previous in zip(every, [None, *every[:-1]], strict=True):
        if at in chosen and runs and runs[-1][-1] == previous:
            runs[-1].append(at)
        elif at in chosen:
            runs.append([at])
    return runs


def _named(run: Sequence[float]) -> list[str]:
    """Return a run by its ends; one or two points by themselves."""
    if len(run) < 3:
        return [*map(place, run)]
    return [f"from {place(run[0])} to {place(run[-1])}"]


def listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def why_taken(
    taken: Point, judges: Sequence[Stretch], usable: Sequence[Point], every: Sequence[float]
) -> str:
    """Return what each judge cannot tell apart, those that say the same in one clause."""
    metric = judges[0].metric
    if len(usable) == 1:
        return (
            f"it is the only point that may be taken, with {metric} {value_of(taken, metric):.4g}"
        )
    names: dict[tuple[float, ...], list[str]] = {}
    for each in judges:
        names.setdefault(each.points, []).append(each.metric)
    distance = _distance(taken, judges[0], usable)
    return "; ".join(
        f"{'' if metric in by else 'of these, '}by {listed(by)} {_alike(points, every)}"
        f"{distance if metric in by else ''}"
        for points, by in names.items()
    )


def _alike(points: Sequence[float], every: Sequence[float]) -> str:
    if len(points) == 1:
        return f"every other point is surely worse than {place(points[0])}"
    return f"points {span(points, every)} cannot be told apart"


def _distance(taken: Point, judge: Stretch, usable: Sequence[Point]) -> str:
    """Return how far the best value is from that of the point taken, where they differ."""
    best = next(point for point in usable if point.at == judge.best)
    if best is taken:
        return ""
    whole, each = gap(best, taken, judge.metric)
    differs = f"differs by {whole:+.3g} ± {half_width(each):.2g}"
    return f" ({judge.metric} at its best, {place(best.at)}, {differs})"


def only_better(points: Sequence[float], every: Sequence[float]) -> str:
    """Return which of the points that cannot be told apart are surely better than the base."""
    return f"of these only {span(points, every)} is surely better than the bare base"


def objection(stretch: Stretch, every: Sequence[float]) -> str:
    """Return what a judge says that holds for possible none of the points that others do."""
    if not stretch.points:
        return f"but by {stretch.metric} the bare base is surely better than every point"
    return f"but by {stretch.metric} the best is surely among {span(stretch.points, every)}"


def memorized(points: Sequence[float], every: Sequence[float]) -> str:
    """Return where training pictures are known one by one."""
    return f"the member test says memorizing: {span_to_end(points, every)}"


def no_better(best: Point, metric: str) -> str:
    """Return how the best point lies to the base, where no point is surely better."""
    score = score_of(best.result, metric)
    words = f"no point is surely better than the bare base by {metric}"
    if score is None or score.base is None:
        return words
    return f"{words}: the best, {place(best.at)}, differs by {_change(score.base)}"


def cost(metric: str, versus: Versus) -> str:
    """Return what is surely worse than at the base."""
    return f"it costs {metric}: {_change(versus)} beside the base"


def _change(versus: Versus) -> str:
    return f"{versus.delta:+.3g} [{versus.low:.2g}, {versus.high:.2g}]"
