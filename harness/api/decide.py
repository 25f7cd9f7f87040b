"""Decide between results: which is better, and whether one may pass."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Unpack

from harness.api.options import Options, Workspace, reading, with_options, workspace_of
from harness.api.results import judgement_of
from harness.api.verdicts import Comparisons, GateDecision, History
from harness.decisions import history as histories
from harness.decisions import noise
from harness.decisions.breakdown import groups_of
from harness.decisions.compare import compare_all
from harness.decisions.contender import Contender, read
from harness.decisions.features import are_at_hand, views_of
from harness.decisions.finding import Rules
from harness.decisions.gate import gate as judge
from harness.decisions.history import Known
from harness.errors import UsageError
from harness.escaping import command
from harness.pages import policy as policies
from harness.pages.defaults import default_benchmark
from harness.pages.policy import Policy
from harness.pages.recipe import Recipe
from harness.pipeline.request import Named, read_recipe
from harness.pipeline.results.file import ResultFile
from harness.pipeline.results.read import BASELINES, find_result, read_result
from harness.pipeline.store.local import Store


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
    ResultFile(file).require_tables()
    side = read(file)
    store = Store(workspace.store)
    if side.result.interval == "recipe" or not are_at_hand(side.result, store):
        return side
    judgement = judgement_of(side.result)
    return replace(side, views=views_of(side.result, judgement, store)) if judgement else side


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
    file = result_file(recipe, read_result(against).benchmark, workspace, replicates)
    decision = hold(file, against, workspace, _policy(policy, allow_missing))
    remember(file, decision.gate.verdict, workspace.reports)
    return decision


def _policy(policy: str | Path | Policy | None, allow_missing: Sequence[str]) -> Policy:
    """Return the policy, which bears what is named beside it too."""
    if policy is None:
        page = policies.DEFAULT
    else:
        page = policy if isinstance(policy, Policy) else policies.load(Path(policy))
    return page.model_copy(update={"allow_missing": (*page.allow_missing, *allow_missing)})


def result_file(
    recipe: Named, benchmark: str | None, workspace: Workspace, replicates: int
) -> Path:
    """Return a result's file as it is, or run the recipe for one."""
    if not isinstance(recipe, Recipe) and str(recipe).endswith(".json"):
        return Path(recipe)
    from harness.api import make  # it loads every stage, and a file needs none

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


def keep(file: Path, workspace: Workspace, note: str) -> None:
    """Record in the history that a result was looked at and its baseline kept, and why."""
    remember(file, "kept", workspace.reports, note)


def remember(file: Path, outcome: Known, reports: Path, note: str = "") -> None:
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
