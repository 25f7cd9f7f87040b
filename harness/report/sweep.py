"""A sweep → a document, a table for a terminal or in Markdown, and a page with a curve a metric.

The bare base stands first, at 0. Intervals hold for all points together, since the eye compares
all of them; metrics that may not judge here are named and not drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness.decisions.advice import Advice, place
from harness.decisions.sweep import (
    Point,
    barred,
    base_point,
    flags,
    metrics_in_order,
    with_bands,
)
from harness.escaping import in_markdown
from harness.pipeline.results.read import score_of
from harness.records import Score
from harness.report.environment import environment
from harness.report.numbers import cell
from harness.report.terminal import Terminal, new_table

WIDTH, HEIGHT, EDGE = 320, 130, 10
State = Literal["take", "alike", "flagged", "base", "dot"]
MARKS: dict[State, str] = {"take": " ←", "alike": " ≈", "flagged": " ⚑", "base": " base", "dot": ""}
LEGEND = (
    "← take this · ≈ cannot be told apart from it · ⚑ left out. "
    "Intervals hold for all points together, 19 times in 20."
)


@dataclass(frozen=True)
class Dot:
    """One point of a curve: its place in the drawing, its words, and what is advised of it."""

    x: float
    y: float
    words: str
    state: State


@dataclass(frozen=True)
class Curve:
    """One metric over the points, in the units of a drawing WIDTH × HEIGHT."""

    metric: str
    higher_is_better: bool
    band: str
    """The interval, as the corners of a polygon."""
    line: str
    dots: tuple[Dot, ...]
    alike: tuple[float, float] | None
    """From where to where the points lie that cannot be told apart."""
    top: str
    bottom: str


def sweep_document(
    recipe: str, over: str, points: Sequence[Point], advice: Advice
) -> dict[str, Any]:
    base = base_point(points)
    bands = {point.at: _bands(point) for point in with_bands(points)}
    return {
        "recipe": recipe,
        "over": over,
        "benchmark": points[0].result.benchmark,
        "advice": {
            "at": advice.at,
            "reason": advice.reason,
            "alike": list(advice.alike),
            "judges": [vars(each) for each in advice.stretches],
            "left_out": [vars(each) for each in advice.stops],
        },
        "base": None if base is None else _point_document(base, bands),
        "points": [_point_document(point, bands) for point in points],
    }


def _point_document(
    point: Point, bands: dict[float, dict[str, tuple[float, float]]]
) -> dict[str, Any]:
    return {
        "at": point.at,
        "signature": point.result.signature,
        "flags": flags(point.result),
        "scores": [score.model_dump(mode="json") for score in point.result.scores],
        "bands": bands[point.at],
    }


def _bands(point: Point) -> dict[str, tuple[float, float]]:
    return {
        score.metric: (score.low, score.high)
        for score in point.result.scores
        if score.low is not None and score.high is not None
    }


def state_of(at: float, points: Sequence[Point], advice: Advice) -> State:
    """Return what is advised of a place; one without a point is the bare base's."""
    if at == advice.at:
        return "take"
    flagged = any(flags(point.result) for point in points if point.at == at)
    if flagged or any(at in stop.points for stop in advice.stops):
        return "flagged"
    if at in advice.alike:
        return "alike"
    return "dot" if any(point.at == at for point in points) else "base"


def print_sweep(
    recipe: str, over: str, points: Sequence[Point], advice: Advice, console: Terminal
) -> None:
    """Write the points as a table, then the advice."""
    table = new_table(f"{recipe} · by {over}", LEGEND)
    head, rows = _table(points, advice)
    table.add_column(over, justify="right", style="bold")
    for metric in head:
        table.add_column(metric, justify="right")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    for words in _barred(points):
        console.print(words)
    console.print(str(advice))


def sweep_markdown(recipe: str, over: str, points: Sequence[Point], advice: Advice) -> str:
    """Return the points as a table, below the advice."""
    head, rows = _table(points, advice)
    lines = [
        f"## {in_markdown(recipe)} by {over}\n",
        f"**{in_markdown(str(advice))}.**\n",
        f"| {over} | {' | '.join(map(in_markdown, head))} |",
        f"|---|{'---|' * len(head)}",
        *(f"| {' | '.join(row)} |" for row in rows),
        f"\n{LEGEND}",
        *(f"\n{in_markdown(words)}" for words in _barred(points)),
    ]
    return "\n".join(lines)


def _table(points: Sequence[Point], advice: Advice) -> tuple[list[str], list[list[str]]]:
    """Return the metrics of a table, and a row a point, the bare base first."""
    metrics, rows = _headlines(points), []
    for point in with_bands(points):
        mark = MARKS[state_of(point.at, points, advice)]
        cells = [cell(score_of(point.result, metric)) for metric in metrics]
        rows.append([f"{place(point.at)}{mark}", *cells])
    return metrics, rows


def _headlines(points: Sequence[Point]) -> list[str]:
    """Return the first metric of each family, of those that may judge."""
    families = {
        score.metric: score.family or score.metric
        for point in points
        for score in point.result.scores
    }
    first: dict[str, str] = {}
    for metric in metrics_in_order(points):
        first.setdefault(families[metric], metric)
    return list(first.values())


def _barred(points: Sequence[Point]) -> list[str]:
    return [f"{metric} may not judge here: {why}" for metric, why in barred(points).items()]


def sweep_page(recipe: str, over: str, points: Sequence[Point], advice: Advice) -> str:
    """Return one page with a curve for every metric that may judge and has values."""
    template = environment().get_template("sweep.html.j2")
    return template.render(**page_values(recipe, over, points, advice))


def page_values(recipe: str, over: str, points: Sequence[Point], advice: Advice) -> dict[str, Any]:
    """Return what a page or a notebook shows of a sweep."""
    head, rows = _table(points, advice)
    return {
        "recipe": recipe,
        "over": over,
        "benchmark": points[0].result.benchmark,
        "advice": advice,
        "at": "none" if advice.at is None else place(advice.at),
        "curves": curves_of(points, advice),
        "barred": _barred(points),
        "head": head,
        "rows": rows,
        "legend": LEGEND,
        "width": WIDTH,
        "height": HEIGHT,
        "ends": [place(point.at) for point in with_bands(points)],
    }


def curves_of(points: Sequence[Point], advice: Advice) -> list[Curve]:
    """Return a curve for every metric that may judge and has values, those that advice is by
    first."""
    shown = with_bands(points)
    curves = [_curve(shown, points, metric, advice) for metric in metrics_in_order(points)]
    return [curve for curve in curves if curve is not None]


def _curve(
    shown: Sequence[Point], points: Sequence[Point], metric: str, advice: Advice
) -> Curve | None:
    curve = [(point, score) for point in shown if (score := _whole(point, metric)) is not None]
    if len(curve) < 2:
        return None
    left, right = shown[0].at, shown[-1].at
    bottom = min(float(score.low or 0) for _, score in curve)
    top = max(float(score.high or 0) for _, score in curve)

    def x(at: float) -> float:
        return round(EDGE + (WIDTH - 2 * EDGE) * (at - left) / ((right - left) or 1), 1)

    def y(value: float | None) -> float:
        share = (float(value or 0) - bottom) / ((top - bottom) or 1)
        return round(HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * share, 1)

    def dot(point: Point, score: Score) -> Dot:
        state = state_of(point.at, points, advice)
        words = f"{place(point.at)}{MARKS[state]}: {cell(score)}"
        return Dot(x(point.at), y(score.value), words, state)

    upper = [f"{x(point.at)},{y(score.high)}" for point, score in curve]
    lower = [f"{x(point.at)},{y(score.low)}" for point, score in reversed(curve)]
    return Curve(
        metric,
        curve[0][1].higher_is_better,
        " ".join(upper + lower),
        " ".join(f"{x(point.at)},{y(score.value)}" for point, score in curve),
        tuple(dot(point, score) for point, score in curve),
        (x(advice.alike[0]), x(advice.alike[-1])) if len(advice.alike) > 1 else None,
        f"{top:.3g}",
        f"{bottom:.3g}",
    )


def _whole(point: Point, metric: str) -> Score | None:
    score = score_of(point.result, metric)
    return score if score is not None and None not in (score.value, score.low, score.high) else None
