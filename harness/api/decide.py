"""Decide between results: which is better, and whether one may pass."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Unpack

from harness.api import make
from harness.api.options import Options, Workspace, making, reading, with_options, workspace_of
from harness.api.results import judgement_of
from harness.api.verdicts import Comparisons, GateDecision, History
from harness.decisions import history as histories
from harness.decisions import noise, null_runs
from harness.decisions.breakdown import groups_of
from harness.decisions.compare import compare_all
from harness.decisions.contender import Contender, read
from harness.decisions.features import views_of
from harness.decisions.finding import Rules
from harness.decisions.gate import gate as judge
from harness.decisions.history import Known
from harness.decisions.reproduction import Calibration, Reproduction, again, alarms
from harness.errors import ScoringError, UsageError
from harness.escaping import command
from harness.files import below
from harness.pages import policy as policies
from harness.pages.defaults import default_benchmark
from harness.pages.policy import Policy
from harness.pages.recipe import Recipe
from harness.pipeline.plan import RunPlan
from harness.pipeline.request import Named, read_recipe, requested
from harness.pipeline.results.file import ResultFile
from harness.pipeline.results.read import read_result
from harness.pipeline.run import execute
from harness.pipeline.run_settings import RunSettings
from harness.pipeline.store.local import Store

BASELINES = "baselines"


@with_options
@reading
def compare(
    *results: str | Path,
    benchmark: str | None = None,
    metrics: Sequence[str] = (),
    margins: Mapping[str, float] | None = None,
    draws: int = 199,
    force: bool = False,
    **options: Unpack[Options],
) -> Comparisons:
    """Compare the first of several results with each other one, paired by prompt.

    A result is a file, or a recipe or `NAME@STEP` that was run. `metrics` decide, else the first
    of each family. `margins` are the smallest effects that matter. `draws` is the number of
    exchanges of images for metrics such as FID. `force` compares despite different signatures.

    >>> found = harness.compare("tiny", "pocket-base", draws=19)
    >>> found.verdict in ("better", "worse", "no-difference", "under-powered")
    True
    >>> found.sentence.startswith("tiny ")
    True
    """
    workspace = workspace_of(options)
    files = [find_result(each, benchmark, workspace.reports) for each in results]
    sides = [contender(file, workspace) for file in files]
    rules = Rules(tuple(metrics), dict(margins or {}), force=force, draws=draws)
    judgement = judgement_of(sides[0].result) if sides else None
    if judgement is not None:
        rules = replace(rules, groups=groups_of(judgement))
    compared = compare_all(sides, rules)
    return Comparisons(tuple(compared), tuple(sides), tuple(files), workspace)


def contender(file: Path, workspace: Workspace) -> Contender:
    """Return a result with what stands beside it, and with its features where they are at hand."""
    side = read(file)
    judgement = judgement_of(side.result)
    if judgement is None or side.result.interval == "recipe":
        return side
    return replace(side, views=views_of(side.result, judgement, Store(workspace.store)))


def find_result(result: str | Path, benchmark: str | None, reports: Path) -> Path:
    """Return the result file that a path, a recipe's name or `NAME@STEP` means."""
    name = str(result)
    if name.endswith(".json"):
        if not Path(name).is_file():
            raise UsageError(f"there is no file {name}", hint="a result lies below --reports")
        return Path(name)
    stem = ".step".join(Path(name).name.removesuffix(".yaml").split("@"))
    files = sorted(reports.glob(f"{benchmark or '*'}/{stem}.json"))
    files = [file for file in files if file.parent.name != BASELINES]
    if not files:
        where = f"{reports}/{benchmark}" if benchmark else reports
        raise UsageError(f"there is no result of {name} in {where}", hint=command("run", name))
    if len(files) > 1:
        known = ", ".join(file.parent.name for file in files)
        raise UsageError(f"{name} has results of {known}", hint="--benchmark says which is meant")
    return files[0]


@with_options
@reading
def gate(
    recipe: Named,
    *,
    baseline: str | Path,
    policy: str | Path | Policy | None = None,
    allow_missing: Sequence[str] = (),
    replicates: int = 1,
    **options: Unpack[Options],
) -> GateDecision:
    """Run a recipe as its baseline was judged, and decide whether it may pass.

    `recipe` may also be a result's file, which is judged as it is. `baseline` is a result's file,
    or the name of an accepted baseline. Without `policy`, the measured noise sets the margins.
    `allow_missing` names metrics that the baseline has and the candidate may lack.

    >>> kept = harness.accept("tiny", benchmark="tiny-v1")
    >>> harness.gate("tiny", baseline=kept).verdict
    'pass'
    """
    workspace = workspace_of(options)
    against = find_baseline(str(baseline), workspace.reports)
    if not against.is_file():
        raise UsageError(
            f"there is no baseline {against}",
            hint=f"`{command('gate', str(recipe), options=['--accept'])}` writes one",
        )
    file = _result_file(recipe, read_result(against).benchmark, workspace, replicates)
    decision = hold(file, against, workspace, _policy(policy, allow_missing))
    _remember(file, decision.gate.verdict, workspace.reports)
    return decision


def _policy(policy: str | Path | Policy | None, allow_missing: Sequence[str]) -> Policy:
    """Return the policy, which bears what is named beside it too."""
    if policy is None:
        page = policies.DEFAULT
    else:
        page = policy if isinstance(policy, Policy) else policies.load(Path(policy))
    return page.model_copy(update={"allow_missing": (*page.allow_missing, *allow_missing)})


def _result_file(
    recipe: Named, benchmark: str | None, workspace: Workspace, replicates: int
) -> Path:
    """Return a result's file as it is, or run the recipe for one."""
    if not isinstance(recipe, Recipe) and str(recipe).endswith(".json"):
        return Path(recipe)
    run = make.run(recipe, benchmark=benchmark, replicates=replicates, workspace=workspace)
    return run.path


def hold(
    file: Path, baseline: Path, workspace: Workspace, policy: Policy = policies.DEFAULT
) -> GateDecision:
    """Hold a result to a policy beside its baseline, and write nothing."""
    before, after = contender(baseline, workspace), contender(file, workspace)
    judgement = judgement_of(before.result)
    groups = groups_of(judgement) if judgement else {}
    verdict = judge(after, before, policy, noise.read(baseline), groups)
    return GateDecision(verdict, after, before, file, baseline, workspace)


def find_baseline(name: str, reports: Path) -> Path:
    """Return the file of a baseline: a path, or the name of an accepted one."""
    if name.endswith(".json"):
        return Path(name)
    files = sorted((reports / BASELINES).glob(f"*/{name}.json"))
    if len(files) != 1:
        known = ", ".join(str(file) for file in files) or "none"
        raise UsageError(
            f"{name} names {len(files)} baselines in {reports / BASELINES}: {known}",
            hint="give the file",
        )
    return files[0]


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
    file = _result_file(recipe, benchmark, workspace, replicates)
    result = read_result(file)
    if all(score.value is None for score in result.scores):
        raise ScoringError(
            f"{file} has no value that later results could be held to",
            hint=f"the first reason: {result.scores[0].reason}",
        )
    target = below(workspace.reports / BASELINES, result.benchmark, f"{result.recipe}.json")
    ResultFile(file).copy_to(target)
    _remember(file, "accepted", workspace.reports, note)
    return target


def keep(file: Path, workspace: Workspace, note: str) -> None:
    """Record in the history that a result was looked at and its baseline kept, and why."""
    _remember(file, "kept", workspace.reports, note)


def _remember(file: Path, outcome: Known, reports: Path, note: str = "") -> None:
    """Add a result to its recipe's history."""
    result = read_result(file)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    event = histories.event_of(result, outcome, at, commit_here(), note)
    histories.add(histories.place_of(reports, result.benchmark, result.recipe), event)


def commit_here() -> str | None:
    """Return the commit of the current folder, marked -dirty if files differ; None outside git."""
    # A monitor is a program that the repository names, and the repository may be a stranger's.
    quiet = ["-c", "core.fsmonitor=false"]
    words = ["git", *quiet, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


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
def history(recipe: str, *, benchmark: str | None = None, **options: Unpack[Options]) -> History:
    """Return a recipe's gates and accepted baselines, and where its values stepped.

    >>> kept = harness.accept("tiny", benchmark="tiny-v1", note="the first")
    >>> harness.history("tiny", benchmark="tiny-v1").events[-1].note
    'the first'
    """
    reports = workspace_of(options).reports
    chosen = benchmark or default_benchmark(read_recipe(recipe)[0])
    events = histories.read(histories.place_of(reports, chosen, recipe))
    measured = noise.read(reports / BASELINES / chosen / f"{recipe}.json")
    sizes = {
        column: each.retrained.difference / 2**0.5
        for column, each in (measured.metrics if measured else {}).items()
        if each.retrained
    }
    return History(recipe, chosen, tuple(events), tuple(histories.changes(events, sizes)))


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
