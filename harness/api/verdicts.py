"""The public face of decisions: which result is better, and whether one may pass.

Like `api`, it is the verbs of the command line as functions of values; nothing here prints.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from harness.api import Workspace, work
from harness.decisions import history, noise, null_runs
from harness.decisions.breakdown import groups_of
from harness.decisions.compare import Comparison, compare_all
from harness.decisions.contender import Contender, read
from harness.decisions.features import views_of
from harness.decisions.finding import Rules
from harness.decisions.gate import Gate
from harness.decisions.gate import gate as judge
from harness.decisions.history import Change, Event, Known
from harness.decisions.reproduction import Calibration, Reproduction, again, alarms
from harness.errors import UsageError
from harness.files import below
from harness.pages import benchmark as benchmarks
from harness.pages import policy
from harness.pages import recipe as recipes
from harness.pages.benchmark import Judgement
from harness.pages.defaults import default_benchmark
from harness.pages.folders import available
from harness.pipeline.plan import RunPlan
from harness.pipeline.results.file import ResultFile
from harness.pipeline.results.read import read_result
from harness.pipeline.run import execute
from harness.pipeline.run_settings import RunSettings
from harness.pipeline.stages.files import read_index
from harness.pipeline.store.local import Store
from harness.records import Result
from harness.report.pairs import FindPicture, PicturedPair, gated, pictured, worst_pairs
from harness.report.pictures import picture_of

BASELINES = "baselines"


def compare(
    names: Sequence[str], benchmark: str | None, workspace: Workspace, rules: Rules
) -> list[Comparison]:
    """Return the first of several results beside each other one.

    A result is named by its file, or by its recipe or checkpoint, which must have been run.
    """
    contenders = [
        contender(find_result(name, benchmark, workspace.reports), workspace) for name in names
    ]
    judgement = _judgement(contenders[0].result.benchmark)
    if judgement is not None and not rules.groups:
        rules = replace(rules, groups=groups_of(judgement))
    return compare_all(contenders, rules)


def contender(file: Path, workspace: Workspace) -> Contender:
    """Return a result with what stands beside it, and with its features where they are at hand."""
    found = read(file)
    judgement = _judgement(found.result.benchmark)
    if judgement is None or found.result.interval == "recipe":
        return found
    return replace(found, views=views_of(found.result, judgement, Store(workspace.store)))


def find_result(name: str, benchmark: str | None, reports: Path) -> Path:
    """Return the result file that a path, a recipe's name or `NAME@STEP` means."""
    if name.endswith(".json"):
        if not Path(name).is_file():
            raise UsageError(f"there is no file {name}", hint="a result lies below --reports")
        return Path(name)
    stem = ".step".join(Path(name).name.removesuffix(".yaml").split("@"))
    files = sorted(reports.glob(f"{benchmark or '*'}/{stem}.json"))
    files = [file for file in files if file.parent.name != "baselines"]
    if not files:
        where = f"{reports}/{benchmark}" if benchmark else reports
        raise UsageError(f"there is no result of {name} in {where}", hint=f"harness run {name}")
    if len(files) > 1:
        known = ", ".join(file.parent.name for file in files)
        raise UsageError(f"{name} has results of {known}", hint="--benchmark says which is meant")
    return files[0]


def _judgement(name: str) -> Judgement | None:
    """Return the benchmark of a result, where its page is known here."""
    return benchmarks.load(name) if name in available("benchmark") else None


@dataclass(frozen=True)
class Gated:
    """A gate's answer, with both sides and their files."""

    gate: Gate
    candidate: Contender
    baseline: Contender
    file: Path
    against: Path


def gate(
    name: str, baseline: Path, workspace: Workspace, rules: Path | None = None, replicates: int = 1
) -> Gated:
    """Run a recipe as its baseline was judged, and hold it to a policy.

    `name` may also be a result's file, which is then judged as it is.
    """
    if not baseline.is_file():
        raise UsageError(
            f"there is no baseline {baseline}", hint=f"`harness gate {name} --accept` writes one"
        )
    chosen = policy.DEFAULT if rules is None else policy.load(rules)
    benchmark = read_result(baseline).benchmark
    file = (
        Path(name)
        if name.endswith(".json")
        else (work.run([name], benchmark, workspace, replicates)[0].path)
    )
    found = hold(file, baseline, workspace, chosen)
    _remember(file, found.gate.verdict, workspace.reports)
    return found


def hold(
    file: Path, baseline: Path, workspace: Workspace, rules: policy.Policy = policy.DEFAULT
) -> Gated:
    """Hold a result to a policy beside its baseline, and leave no trace of it."""
    before, after = contender(baseline, workspace), contender(file, workspace)
    judgement = _judgement(before.result.benchmark)
    groups = groups_of(judgement) if judgement else {}
    found = judge(after, before, rules, noise.read(baseline), groups)
    return Gated(found, after, before, file, baseline)


def keep(file: Path, workspace: Workspace, note: str) -> None:
    """Remember that a result was looked at and its baseline kept, and why."""
    _remember(file, "kept", workspace.reports, note)


def worst_of(found: Gated, workspace: Workspace) -> tuple[PicturedPair, ...]:
    """Return what lost most beside the baseline, with pictures where this store has them."""
    judgement = _judgement(found.baseline.result.benchmark)
    texts = {prompt.id: prompt.text for prompt in judgement.prompts} if judgement else {}
    worst = worst_pairs(found.candidate, found.baseline, gated(found.gate))
    looks = [_look(side.result, workspace) for side in (found.baseline, found.candidate)]
    return pictured(worst, texts, *looks)


def _look(result: Result, workspace: Workspace) -> FindPicture:
    """Return what finds a result's picture of a prompt and seed."""
    folder = work.images_of(result, workspace.store)
    there = {(entry.id, entry.seed): entry for entry in read_index(folder)} if folder else {}

    def find(prompt_id: str, seed: int) -> Path | None:
        entry = there.get((prompt_id, seed))
        return picture_of(folder, entry) if folder and entry else None

    return find


def find_baseline(name: str, reports: Path) -> Path:
    """Return the file of a baseline: a path, or a name that was accepted below the reports."""
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


def accept(
    name: str, benchmark: str | None, workspace: Workspace, replicates: int = 1, note: str = ""
) -> Path:
    """Run a recipe and write its result as the baseline that later ones are held to."""
    file = (
        Path(name)
        if name.endswith(".json")
        else (work.run([name], benchmark, workspace, replicates)[0].path)
    )
    result = read_result(file)
    target = below(workspace.reports / BASELINES, result.benchmark, f"{result.recipe}.json")
    ResultFile(file).copy_to(target)
    _remember(file, "accepted", workspace.reports, note)
    return target


def _remember(file: Path, outcome: Known, reports: Path, note: str = "") -> None:
    """Add a result to its recipe's history."""
    result = read_result(file)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    event = history.event_of(result, outcome, at, commit_here(), note)
    history.add(history.place_of(reports, result.benchmark, result.recipe), event)


def commit_here() -> str | None:
    """Return the commit that this is run at, marked where there is more than that; None outside."""
    words = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def calibrate(
    benchmark: str, name: str, workspace: Workspace, draws: int = 9, trainings: int = 9
) -> Calibration:
    """Run a baseline against itself, and write what its noise is beside it."""
    recipe, judgement = recipes.load(name), benchmarks.load(benchmark)
    baseline = workspace.reports / BASELINES / benchmark / f"{recipe.name}.json"
    if not baseline.is_file():
        baseline = accept(name, benchmark, workspace)
    settings = workspace.settings()
    drawn = _run_all(null_runs.resampled(recipe, judgement, draws), settings, recipe.name)
    trained = _run_all(null_runs.retrained(recipe, judgement, trainings), settings, recipe.name)
    measured = noise.measured(read_result(baseline), drawn, trained)
    file = noise.write(baseline, measured)
    return Calibration(baseline, measured, file, alarms(drawn, measured), alarms(trained, measured))


def _run_all(plans: Sequence[RunPlan], settings: RunSettings, name: str) -> list[Contender]:
    return [
        read(execute(each, settings, f"{null_runs.SUBFOLDER}/{name}", pictures=False).path)
        for each in plans
    ]


def recall(name: str, benchmark: str | None, reports: Path) -> tuple[list[Event], list[Change]]:
    """Return a recipe's history, and where its values stepped."""
    chosen = benchmark or default_benchmark(recipes.load(name))
    events = history.read(history.place_of(reports, chosen, name))
    measured = noise.read(reports / BASELINES / chosen / f"{name}.json")
    sizes = {
        column: each.retrained.difference / 2**0.5
        for column, each in (measured.metrics if measured else {}).items()
        if each.retrained
    }
    return events, history.changes(events, sizes)


def reproduce(file: Path, workspace: Workspace) -> Reproduction:
    """Run a published result again in a store of its own, and lay both side by side."""
    published = read_result(file)
    root = workspace.store / "reproductions" / published.signature / published.recipe
    apart = replace(workspace, store=root / "store", reports=root / "reports")
    name = "@".join(published.recipe.split(".step"))
    count = max(1, len(published.training_seeds))
    found = work.run([name], published.benchmark, apart, count)[0].result
    measured = noise.read(workspace.reports / BASELINES / published.benchmark / file.name)
    scores = {score.metric: score for score in found.scores}
    metrics = tuple(again(score, scores.get(score.metric), measured) for score in published.scores)
    changed = [step for step, key in published.keys.items() if found.keys.get(step) != key]
    return Reproduction(published, found, metrics, tuple(changed))
