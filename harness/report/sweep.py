"""A sweep → a document, a table for a terminal, and a page with a curve a metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.decisions.sweep import Advice, Point, flags
from harness.pipeline.results.read import score_of
from harness.records import Score
from harness.report.environment import environment
from harness.report.numbers import cell
from harness.report.terminal import Terminal, new_table

WIDTH, HEIGHT, EDGE = 320, 130, 10


@dataclass(frozen=True)
class Curve:
    """One metric over the points, in the units of a drawing WIDTH × HEIGHT."""

    metric: str
    higher_is_better: bool
    band: str
    """The interval, as the corners of a polygon."""
    line: str
    dots: tuple[tuple[float, float, str], ...]
    """Place and words of every point."""
    top: str
    bottom: str


def sweep_document(
    recipe: str, over: str, points: Sequence[Point], advice: Advice
) -> dict[str, Any]:
    return {
        "recipe": recipe,
        "over": over,
        "benchmark": points[0].result.benchmark,
        "advice": {"at": advice.at, "reason": advice.reason},
        "points": [
            {
                "at": point.at,
                "signature": point.result.signature,
                "flags": flags(point.result),
                "scores": [score.model_dump(mode="json") for score in point.result.scores],
            }
            for point in points
        ],
    }


def print_sweep(
    recipe: str, over: str, points: Sequence[Point], advice: Advice, console: Terminal
) -> None:
    """Write the points as a table, then the advice."""
    table = new_table(f"{recipe} · by {over}")
    table.add_column(over, justify="right", style="bold")
    metrics = _headlines(points)
    for metric in metrics:
        table.add_column(metric, justify="right")
    for point in points:
        mark = " ←" if point.at == advice.at else " ⚑" if flags(point.result) else ""
        cells = [cell(score_of(point.result, metric)) for metric in metrics]
        table.add_row(f"{point.at:g}{mark}", *cells)
    console.print(table)
    console.print(str(advice))


def _headlines(points: Sequence[Point]) -> list[str]:
    first: dict[str, str] = {}
    for score in points[0].result.scores:
        first.setdefault(score.family or score.metric, score.metric)
    return list(first.values())


def sweep_page(recipe: str, over: str, points: Sequence[Point], advice: Advice) -> str:
    """Return one page with a curve for every metric that has values."""
    return (
        environment()
        .get_template("sweep.html.j2")
        .render(
            recipe=recipe,
            over=over,
            points=points,
            advice=advice,
            curves=curves_of(points),
            width=WIDTH,
            height=HEIGHT,
            flags=flags,
        )
    )


def curves_of(points: Sequence[Point]) -> list[Curve]:
    """Return a curve for every metric that has values."""
    metrics = [score.metric for score in points[0].result.scores]
    return [curve for metric in metrics if (curve := _curve(points, metric)) is not None]


def _curve(points: Sequence[Point], metric: str) -> Curve | None:
    curve = [(point.at, score) for point in points if (score := _whole(point, metric)) is not None]
    if len(curve) < 2:
        return None
    left, right = curve[0][0], curve[-1][0]
    bottom = min(float(score.low or 0) for _, score in curve)
    top = max(float(score.high or 0) for _, score in curve)

    def x(at: float) -> float:
        return round(EDGE + (WIDTH - 2 * EDGE) * (at - left) / ((right - left) or 1), 1)

    def y(value: float | None) -> float:
        share = (float(value or 0) - bottom) / ((top - bottom) or 1)
        return round(HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * share, 1)

    upper = [f"{x(at)},{y(score.high)}" for at, score in curve]
    lower = [f"{x(at)},{y(score.low)}" for at, score in reversed(curve)]
    return Curve(
        metric,
        curve[0][1].higher_is_better,
        " ".join(upper + lower),
        " ".join(f"{x(at)},{y(score.value)}" for at, score in curve),
        tuple((x(at), y(score.value), f"{at:g}: {cell(score)}") for at, score in curve),
        f"{top:.3g}",
        f"{bottom:.3g}",
    )


def _whole(point: Point, metric: str) -> Score | None:
    score = score_of(point.result, metric)
    return score if score is not None and score.value is not None else None
