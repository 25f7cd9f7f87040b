"""`harness score --series`: the steps of a training that another trainer ran."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import harness
from harness.cli.output import console, say, show

if TYPE_CHECKING:
    from harness import SeriesReport, Workspace


@dataclass(frozen=True)
class SeriesAsked:
    """A training's folder, and what its steps are judged by."""

    folder: Path
    watch: bool
    reference: Path | None
    originals: Path | None
    benchmark: str | None
    base: str | None
    prompts: Path | None
    name: str | None


def score_series(asked: SeriesAsked, workspace: Workspace, as_json: bool) -> None:
    """Judge every step that is there, and with `watch` each that comes until Ctrl-C."""
    from harness.api.series import watch

    def look() -> SeriesReport:
        return harness.score_series(
            asked.folder,
            reference=asked.reference,
            originals=asked.originals,
            benchmark=asked.benchmark,
            base=asked.base,
            prompts=asked.prompts,
            name=asked.name,
            patient=asked.watch,
            workspace=workspace,
        )

    if not asked.watch:
        return _print(look(), as_json)
    say(f"watching {asked.folder}; Ctrl-C ends it", file=sys.stderr)
    for report in watch(look):
        _print(report, as_json)
        sys.stdout.flush()  # who reads along through a pipe waits for it


def _print(report: SeriesReport, as_json: bool) -> None:
    from harness.report.series import print_series, series_document

    points = report.sweep.points if report.sweep else ()
    advice = report.sweep.advice if report.sweep else None
    if as_json:
        show(series_document(report.series, report.name, points, advice))
    else:
        print_series(report.series, report.name, points, advice, console())
