"""Results, boards and decisions as pieces of HTML that a notebook shows.

They share tables and drawings with the HTML reports; everything a person wrote is escaped.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.decisions.advice import Advice
from harness.decisions.compare import Comparison
from harness.decisions.finding import Finding
from harness.decisions.gate import Gate
from harness.decisions.leaderboard import BASE, Board, score_in
from harness.decisions.sweep import Point
from harness.pipeline.forecast import Planned
from harness.pipeline.results import album
from harness.pipeline.results.file import ResultFile
from harness.records import Result
from harness.report.checks import LEGEND as GATE_LEGEND
from harness.report.checks import headline, line, remarks
from harness.report.comparison import LEGEND, cells_of, metric_name, sentence
from harness.report.environment import environment
from harness.report.gate import Bar, drawn_checks, values
from harness.report.numbers import cell, duration, seeds, share
from harness.report.page import drawn_board
from harness.report.pairs import PicturedPair
from harness.report.sweep import page_values
from harness.report.text import states

SHOTS = 8
"""Pictures that a result shows."""
COLOURS = {
    "better": "pass",
    "worse": "fail",
    "no-difference": "no-difference",
    "under-powered": "under-powered",
}


def result_html(result: Result, path: Path) -> str:
    """Return a result's scores, and its first pictures where its album is there."""
    return _rendered(
        "result", result=result, path=path, cell=cell, seeds=seeds, shots=_shots(ResultFile(path))
    )


def _shots(file: ResultFile) -> list[tuple[str, str]]:
    """Return words and picture of an album's first images, one a prompt."""
    first: dict[str, album.Shot] = {}
    for shot in album.read(file.album_path):
        if shot.side == "sample" and shot.picture is not None:
            first.setdefault(shot.id, shot)
    pictures = []
    for shot in list(first.values())[:SHOTS]:
        data = album.picture(file.album_path, shot.picture or "")
        if data is not None:
            uri = f"data:image/webp;base64,{base64.b64encode(data).decode()}"
            pictures.append((f"{shot.id}, seed {shot.seed}: {shot.text}", uri))
    return pictures


def plan_html(planned: Planned) -> str:
    """Return a plan's steps and its forecast."""
    return _rendered(
        "plan", plan=planned.plan, cost=planned.forecast, steps=states(planned), duration=duration
    )


def boards_html(boards: Sequence[Board]) -> str:
    """Return each board as a table with its intervals drawn."""
    return _rendered(
        "boards",
        boards=[drawn_board(board) for board in boards],
        cell=cell,
        share=share,
        score_in=score_in,
        BASE=BASE,
        seeds=seeds,
    )


def sweep_html(recipe: str, over: str, points: Sequence[Point], advice: Advice) -> str:
    """Return a curve for each metric, and which point to take."""
    return _rendered("sweep", **page_values(recipe, over, points, advice))


def comparisons_html(comparisons: Sequence[Comparison], pairs: Sequence[PicturedPair]) -> str:
    """Return each comparison's sentence and table, and the images that differ most."""
    first = comparisons[0]
    return _rendered(
        "comparisons",
        comparisons=[
            {"found": each, "sentence": sentence(each), "rows": [_row(one) for one in each.metrics]}
            for each in comparisons
        ],
        colours=COLOURS,
        legend=LEGEND,
        sides=(f"A: {first.a}", f"B: {first.b}"),
        pairs=[pair for pair in pairs if pair.before or pair.after],
        values=values,
        line=line,
    )


def _row(finding: Finding) -> dict[str, Any]:
    return {
        "name": metric_name(finding),
        "declared": finding.declared,
        "cells": cells_of(finding),
        "verdict": finding.verdict,
        "bar": _bar(finding),
    }


def _bar(finding: Finding) -> Bar | None:
    """Return A − B with its interval, beside the effects that are too small to matter."""
    value, low, high, margin = finding.delta, finding.low, finding.high, finding.margin
    if value is None or low is None or high is None or margin is None:
        return None
    left, right = min(low, -margin), max(high, margin)
    width = (right - left) or 1.0
    places = (4 + 92 * (each - left) / width for each in (value, low, high, -margin, margin, 0.0))
    return Bar(*(round(each, 2) for each in places))


def gate_html(gate: Gate, pairs: Sequence[PicturedPair]) -> str:
    """Return a gate's verdict and checks, and the images that lost most."""
    return _rendered(
        "gate",
        gate=gate,
        headline=line(headline(gate)),
        checks=drawn_checks(gate),
        remarks=[line(each, 1000) for each in remarks(gate)],
        legend=GATE_LEGEND,
        sides=("baseline", "candidate"),
        pairs=[pair for pair in pairs if pair.before or pair.after],
        values=values,
        line=line,
    )


def _rendered(name: str, **values: Any) -> str:
    return environment().get_template(f"notebook/{name}.html.j2").render(**values)
