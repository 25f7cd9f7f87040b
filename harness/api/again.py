"""Run again what a decision rests on: baselines, their noise, published results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Unpack

from harness.api import make
from harness.api.decide import remember, result_file
from harness.api.options import Options, making, reading, with_options, workspace_of
from harness.decisions import noise, null_runs
from harness.decisions.contender import Contender, read
from harness.decisions.reproduction import Calibration, Reproduction, again, alarms
from harness.errors import ScoringError, UsageError
from harness.files import below
from harness.pipeline.plan import RunPlan
from harness.pipeline.request import Named, requested
from harness.pipeline.results.file import ResultFile
from harness.pipeline.results.read import BASELINES, read_result
from harness.pipeline.run import execute
from harness.pipeline.run_settings import RunSettings


@with_options
@reading
def accept(
    recipe: Named,
    *,
    benchmark: str | None = None,
    replicates: int = 1,
    note: str = "",
    **options: Unpack[Options],
) -> Path:
    """Run a recipe, and write its result as the baseline that later ones are held to.

    `recipe` may also be a result's file. `note` says why, in the history.

    >>> harness.accept("tiny", benchmark="tiny-v1").name
    'tiny.json'
    """
    workspace = workspace_of(options)
    file = result_file(recipe, benchmark, workspace, replicates)
    result = read_result(file)
    if all(score.value is None for score in result.scores):
        raise ScoringError(
            f"{file} has no value that later results could be held to",
            hint=f"the first reason: {result.scores[0].reason}",
        )
    target = below(workspace.reports / BASELINES, result.benchmark, f"{result.recipe}.json")
    ResultFile(file).require_tables()
    ResultFile(file).copy_to(target)
    remember(file, "accepted", workspace.reports, note)
    return target


@with_options
@making
def calibrate(
    recipe: Named,
    *,
    benchmark: str | None = None,
    draws: int = 9,
    trainings: int = 9,
    **options: Unpack[Options],
) -> Calibration:
    """Measure the noise of a baseline: run it again with other sampling and training seeds.

    The noise is written beside the baseline, and sets the margins of `gate`.

    >>> found = harness.calibrate("tiny", benchmark="tiny-v1", draws=2, trainings=0)  # slow
    >>> found.file.name
    'tiny.noise.json'
    """
    if max(draws, trainings) < 2:
        raise UsageError("noise takes 2 runs of a kind", hint="--draws 9, --trainings 9 or both")
    workspace, request = workspace_of(options), requested(recipe, benchmark)
    page, judgement = request.recipe, request.judgement
    name = judgement.benchmark.name
    baseline = workspace.reports / BASELINES / name / f"{page.name}.json"
    if not baseline.is_file():
        baseline = accept(recipe, benchmark=benchmark, workspace=workspace)
    settings = workspace.settings()
    drawn = _run_all(null_runs.resampled(page, judgement, draws), settings, page.name)
    trained = _run_all(null_runs.retrained(page, judgement, trainings), settings, page.name)
    measured = noise.measured(read_result(baseline), drawn, trained)
    if not measured.metrics:
        raise ScoringError(
            "no noise was measured: no metric has a value in two runs of a kind",
            hint=f"the reasons are in the results below {workspace.reports / name}",
        )
    file = noise.write(baseline, measured)
    return Calibration(baseline, measured, file, alarms(drawn, measured), alarms(trained, measured))


def _run_all(plans: Sequence[RunPlan], settings: RunSettings, name: str) -> list[Contender]:
    return [
        read(execute(each, settings, f"{null_runs.SUBFOLDER}/{name}", pictures=False).path)
        for each in plans
    ]


@with_options
@making
def reproduce(result: str | Path, **options: Unpack[Options]) -> Reproduction:
    """Run a published result again in an empty store, and compare both.

    >>> found = harness.reproduce(reports / "tiny-v1" / "tiny.json")  # slow
    >>> found.holds
    True
    """
    file, workspace = Path(result), workspace_of(options)
    published = read_result(file)
    root = workspace.store / "reproductions" / published.signature / published.recipe
    apart = replace(workspace, store=root / "store", reports=root / "reports")
    name = "@".join(published.recipe.split(".step"))
    count = max(1, len(published.training_seeds))
    run = make.run(name, benchmark=published.benchmark, replicates=count, workspace=apart)
    remade = run.result
    measured = noise.read(workspace.reports / BASELINES / published.benchmark / file.name)
    scores = {score.metric: score for score in remade.scores}
    metrics = tuple(again(score, scores.get(score.metric), measured) for score in published.scores)
    changed = [step for step, key in published.keys.items() if remade.keys.get(step) != key]
    return Reproduction(published, remade, metrics, tuple(changed))
