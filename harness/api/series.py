"""Judge the samples or the weights that a trainer leaves behind, step by step."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Unpack

from harness.api.boards import printed
from harness.api.folders import page_beside
from harness.api.options import Options, making, with_options, workspace_of
from harness.api.results import Sweep
from harness.api.sweeping import swept
from harness.data.series import Series, read_series
from harness.decisions.sweep import Point
from harness.errors import UsageError
from harness.escaping import as_name
from harness.pages import benchmark as benchmarks
from harness.pages.benchmark import Benchmark, Judgement
from harness.pages.recipe import Base, Load, Recipe, result_name
from harness.pipeline.plan import RunPlan, plan_supplied
from harness.pipeline.request import requested
from harness.pipeline.results.file import ResultFile
from harness.pipeline.run import execute_all
from harness.pipeline.run_settings import RunSettings


@dataclass(frozen=True)
class SeriesReport:
    """What lies in the folder of a training, and what its steps are worth.

    >>> report = harness.score_series(samples, benchmark="tiny-v1")
    >>> report.places
    [100, 200]
    """

    series: Series
    sweep: Sweep | None
    """The steps beside each other, with advice where to stop; None where none is there yet."""
    name: str

    @property
    def places(self) -> list[float]:
        """Return the steps that were judged."""
        return [point.at for point in self.sweep.points] if self.sweep else []

    def __str__(self) -> str:
        from harness.report.series import print_series

        points = self.sweep.points if self.sweep else ()
        advice = self.sweep.advice if self.sweep else None
        return printed(
            lambda console: print_series(self.series, self.name, points, advice, console)
        )


@dataclass(frozen=True)
class _Judge:
    """How the steps of a series are judged."""

    name: str
    base: str | None
    benchmark: str | Path | None
    judgement: Judgement | None

    def plans(self, series: Series) -> list[tuple[int, RunPlan]]:
        """Return a plan for every step: of its samples, or of what its weights draw."""
        if self.base is not None:
            return [(at, self._drawn(series, at, each.file)) for at, each in series.weights]
        assert self.judgement is not None
        real = self.judgement.benchmark.reference
        square = real.resolution if real and self.judgement.benchmark.judges_pictures else None
        return [
            (point.at, plan_supplied(_at(series, point.at), images, self.judgement))
            for point in series.points
            for images in (series.supplied(point, square),)
        ]

    def _drawn(self, series: Series, at: int, file: str) -> RunPlan:
        adapter = Recipe(
            name=self.name,
            summary=f"The adapter {Path(file).name}, trained elsewhere.",
            base=Base(model=self.base or ""),
            load=Load(adapter=str(series.folder / file)),
        )
        return replace(requested(adapter, self.benchmark).plan(), recipe=_at(series, at))


def _at(series: Series, at: int) -> str:
    """Return the name of a step's result."""
    return f"{series.unit}-{at}"


@with_options
@making
def score_series(
    folder: str | Path,
    *,
    reference: str | Path | None = None,
    originals: str | Path | None = None,
    benchmark: str | Path | None = None,
    base: str | None = None,
    prompts: str | Path | None = None,
    name: str | None = None,
    patient: bool = False,
    **options: Unpack[Options],
) -> SeriesReport:
    """Judge each step of a training by its samples, or with `base` by what its weights draw.

    The names of kohya, ai-toolkit, OneTrainer, SimpleTuner, diffusers and ComfyUI are read.
    Samples are judged beside the real pictures in `reference`, or by a `benchmark`. `prompts` is
    the list that a trainer of kohya drew. What is still being written is left for later; a folder
    without any step is an error, unless `patient`.

    >>> report = harness.score_series(samples, benchmark="tiny-v1")
    >>> [point.at for point in report.sweep.points]
    [100, 200]
    """
    judge = _judge(Path(folder), reference, originals, benchmark, base, name)
    series = read_series(Path(folder), None if prompts is None else Path(prompts))
    if not patient and not judge.plans(series):
        raise _nothing(series, base)
    return _report(series, judge, workspace_of(options).settings())


def watch(
    look: Callable[[], SeriesReport],
    every: float = 30,
    pause: Callable[[float], object] = time.sleep,
) -> Iterator[SeriesReport]:
    """Yield what `look` sees whenever another step is there in full; go on for ever.

    It looks `every` so many seconds, between which `pause` waits. What was judged is not judged
    again.
    """
    seen: list[float] | None = None
    while True:
        report = look()
        if report.places != seen:
            seen = report.places
            yield report
        pause(every)


def _judge(
    folder: Path,
    reference: str | Path | None,
    originals: str | Path | None,
    benchmark: str | Path | None,
    base: str | None,
    name: str | None,
) -> _Judge:
    own = result_name(name or as_name(folder.resolve().name))
    if base is not None:
        if reference is not None:
            raise UsageError("--base draws a benchmark's prompts", hint="leave --reference out")
        return _Judge(own, base, benchmark, None)
    if (reference is None) == (benchmark is None):
        raise UsageError(
            "samples are judged beside real pictures or by a benchmark",
            hint="give --reference or --benchmark; --base draws with the weights",
        )
    if benchmark is not None:
        return _Judge(own, None, benchmark, benchmarks.load(benchmark))
    page = page_beside(reference or "", originals, None)
    return _Judge(own, None, None, Judgement(Benchmark.model_validate_json(json.dumps(page)), ()))


def _report(series: Series, judge: _Judge, settings: RunSettings) -> SeriesReport:
    """Judge every step that is there; steps that were judged before take no time."""
    plans = judge.plans(series)
    if not plans:
        return SeriesReport(series, None, judge.name)
    outcomes = execute_all([plan for _, plan in plans], settings, f"sweeps/{judge.name}")
    files = [ResultFile(each.path) for each in outcomes]
    points = [
        Point.of(at, file.result, file.pseudo_values())
        for (at, _), file in zip(plans, files, strict=True)
    ]
    sweep = swept(judge.name, "checkpoint", points, files[-1])
    return SeriesReport(series, sweep, judge.name)


def _nothing(series: Series, base: str | None) -> UsageError:
    what = "weights" if base is not None else "samples"
    seen = len(series.odd)
    told = f"; {series.odd[0][0]} {series.odd[0][1]}" if series.odd else ""
    waits = f"; {series.waiting[0]}" if series.waiting else ""
    return UsageError(
        f"no step of a training is in {series.folder}: "
        f"{seen} files are no {what} of one{told}{waits}",
        hint="names are read as kohya, ai-toolkit, OneTrainer and SimpleTuner write them",
    )
