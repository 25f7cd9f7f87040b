"""The steps of a training that another trainer ran, as a document and as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.data.series import Series
from harness.decisions.advice import Advice
from harness.decisions.sweep import Point
from harness.escaping import one_line
from harness.report.sweep import print_sweep, sweep_document
from harness.report.terminal import Terminal

SHOWN = 12
"""Odd files that a terminal lists."""


def series_document(
    series: Series, name: str, points: Sequence[Point], advice: Advice | None
) -> dict[str, Any]:
    """Return a series as JSON: that of a sweep, and what of the folder was understood."""
    swept = sweep_document(name, series.unit, points, advice) if advice is not None else {}
    return {
        **swept,
        "recipe": name,
        "over": series.unit,
        "waiting": list(series.waiting),
        "odd": [{"file": file, "why": why} for file, why in series.odd],
        "samples": [
            {
                series.unit: point.at,
                "images": [
                    {"file": shot.file, "prompt": prompt, "seed": seed, "by": shot.convention}
                    for (prompt, seed), shot in sorted(point.shots.items())
                ],
            }
            for point in series.points
        ],
    }


def print_series(
    series: Series, name: str, points: Sequence[Point], advice: Advice | None, console: Terminal
) -> None:
    """Write the trend with its advice, and below it the files that say nothing."""
    if advice is not None:
        print_sweep(name, series.unit, points, advice, console)
    for line in remarks(series):
        console.print(line)


def remarks(series: Series) -> list[str]:
    """Return a line for each thing that waits and for each file that was not understood."""
    lines = [f"waits: {one_line(each)}" for each in series.waiting]
    lines += [f"left out: {one_line(file)} {one_line(why)}" for file, why in series.odd[:SHOWN]]
    if len(series.odd) > SHOWN:
        lines.append(f"left out: {len(series.odd) - SHOWN} more files (--json lists them)")
    return lines
