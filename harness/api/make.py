"""Make a result from a recipe: run it, rehearse it, or only train it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Unpack

from harness.api.options import Options, Workspace, making, with_options, workspace_of
from harness.api.results import RehearsalRun, Run
from harness.api.sweeping import sweep_of
from harness.errors import MissingPrerequisite
from harness.files import copy_whole
from harness.pages import benchmark as benchmarks
from harness.pages.defaults import DEFAULT_BENCHMARK
from harness.pages.train import Train
from harness.pipeline.forecast import forecast
from harness.pipeline.installation import gpu_here
from harness.pipeline.missing import missing, to_make
from harness.pipeline.plan import RunPlan, plan
from harness.pipeline.rehearsal import rehearsal
from harness.pipeline.request import Named, Request, read_recipe, requested
from harness.pipeline.results.assemble import write_result
from harness.pipeline.results.file import ResultFile
from harness.pipeline.run import execute, execute_all, make_all
from harness.pipeline.run_settings import RunSettings
from harness.pipeline.store.local import Store
from harness.pipeline.workspace import resolve_device


@with_options
@making
def run(
    recipe: Named,
    *,
    benchmark: str | Path | None = None,
    replicates: int = 1,
    anyway: bool = False,
    deterministic: bool = False,
    **options: Unpack[Options],
) -> Run:
    """Train, sample and score a recipe: make what is missing, and write a result file.

    `recipe` is a name, a file, `NAME@STEP` for a checkpoint, or a `Recipe`. Without `benchmark`,
    the one that suits the recipe judges it. `replicates` trains several seeds. `anyway` runs a
    recipe even if the forecast says that it does not fit. `deterministic` sets
    `train.deterministic` on the recipe.

    >>> found = harness.run("tiny", benchmark="tiny-v1")
    >>> found.score("kid").n
    36
    """
    requests = [requested(recipe, benchmark, deterministic)]
    return _run_requests(requests, workspace_of(options), replicates, anyway)[0]


@with_options
@making
def run_all(
    recipes: Sequence[Named],
    *,
    benchmark: str | Path | None = None,
    replicates: int = 1,
    anyway: bool = False,
    deterministic: bool = False,
    **options: Unpack[Options],
) -> list[Run]:
    """Run several recipes, side by side where the executor can, and return a run for each.

    >>> [found.recipe for found in harness.run_all(["tiny", "pocket-base"], benchmark="tiny-v1")]
    ['tiny', 'pocket-base']
    """
    requests = [requested(recipe, benchmark, deterministic) for recipe in recipes]
    return _run_requests(requests, workspace_of(options), replicates, anyway)


def _run_requests(
    requests: Sequence[Request], workspace: Workspace, count: int, anyway: bool
) -> list[Run]:
    replicates = [request.replicates(count) for request in requests]
    plans = [[each.plan() for each in seeds] for seeds in replicates]
    if not anyway:
        every = [
            (request, plan) for request, own in zip(requests, plans, strict=True) for plan in own
        ]
        _refuse_what_cannot_run(every, workspace)
    settings = workspace.settings()
    if count == 1:
        runs = [Run.of(each) for each in execute_all([one for (one,) in plans], settings)]
    else:
        runs = [
            _run_replicates(request, own, settings)
            for request, own in zip(requests, plans, strict=True)
        ]
    return [_with_sweeps(run, own, settings) for run, own in zip(runs, replicates, strict=True)]


def _with_sweeps(run: Run, requests: Sequence[Request], settings: RunSettings) -> Run:
    """Judge the checkpoints of each training by themselves, where the page asks for that."""
    if not requests[0].judges_checkpoints:
        return run
    swept = [sweep_of(each, settings, "checkpoint") for each in requests]
    if not run.replicates:
        return replace(run, sweep=swept[0])
    pairs = zip(run.replicates, swept, strict=True)
    return replace(run, replicates=tuple(replace(each, sweep=own) for each, own in pairs))


def _refuse_what_cannot_run(
    wanted: Sequence[tuple[Request, RunPlan]], workspace: Workspace
) -> None:
    complaints = obstacles(wanted, workspace)
    if complaints:
        raise MissingPrerequisite("; ".join(complaints), hint="`harness run --anyway` tries it")


def _run_replicates(request: Request, plans: Sequence[RunPlan], settings: RunSettings) -> Run:
    """Run every training seed of a recipe, and write one result for all of them."""
    from harness.decisions.replicates import combine, read_run, write_tables

    if len(plans) == 1:
        return Run.of(execute(plans[0], settings))
    outcomes = execute_all(plans, settings, "runs")
    files = [ResultFile(each.path) for each in outcomes]
    whole = combine(request.name, [read_run(file) for file in files])
    target = ResultFile(settings.reports / whole.benchmark / f"{whole.recipe}.json")
    seeds = [each.result.training_seeds[0] for each in outcomes]
    write_tables(target, list(zip(seeds, files, strict=True)))
    write_result(whole, target.path)
    copy_whole(files[0].album_path, target.album_path)
    made = tuple(f"{one.result.recipe}/{step}" for one in outcomes for step in one.made)
    reused = tuple(f"{one.result.recipe}/{step}" for one in outcomes for step in one.reused)
    return Run(whole, target.path, made, reused, tuple(Run.of(each) for each in outcomes))


def obstacles(wanted: Sequence[tuple[Request, RunPlan]], workspace: Workspace) -> list[str]:
    """Return why what is to do cannot be done on the device that it would run on."""
    store, lacking = Store(workspace.store), []
    left = [(request, plan, missing(plan, store)) for request, plan in wanted]
    busy = [each for each in left if each[2]]
    if not busy:
        return []
    device = resolve_device(workspace.device)
    for request, _, _ in busy:
        if request.recipe.train is not None:
            lacks = _lacks(request.recipe.train, device)
            lacking += [f"{request.recipe.name}: {lack}" for lack in lacks]
    if device == "cpu":
        return lacking
    card = gpu_here()
    for request, steps, to_do in busy:
        cost = forecast(request.recipe, steps.steps, to_do, card, workspace.images_at_once)
        lacking += [f"{steps.recipe}: {complaint}" for complaint in cost.complaints]
    return lacking


def _lacks(train: Train, device: str) -> Iterator[str]:
    """Yield what the recipe asks for and this machine does not have."""
    optimizer = train.optimizer
    if optimizer.needs_cuda and device == "cpu":
        yield (
            f"optimizer {optimizer.use} needs CUDA (adamw does without; "
            "`harness rehearse` takes it for you)"
        )
    elif optimizer.needs_cuda and find_spec("bitsandbytes") is None:
        yield f"optimizer {optimizer.use} needs bitsandbytes: pip install 'harness[cuda]'"
    if train.tracker is not None and find_spec(train.tracker) is None:
        yield f"tracker {train.tracker} is not installed: pip install {train.tracker}"


@with_options
@making
def rehearse(recipe: Named, **options: Unpack[Options]) -> RehearsalRun:
    """Run a whole recipe on the pocket world, in about a minute, before you spend GPU hours.

    >>> done = harness.rehearse("tiny")  # slow
    >>> done.replaced[-1]
    'benchmark → 18 images of pocket-v1, at 8 steps'
    """
    workspace = workspace_of(options)
    page, _ = read_recipe(recipe)
    exchanged = rehearsal(page, benchmarks.load(DEFAULT_BENCHMARK))
    apart = replace(
        workspace, reports=workspace.store / "rehearsals", executor="local", processes=None
    )
    outcome = execute(plan(exchanged.recipe, exchanged.judgement), apart.settings())
    return RehearsalRun(Run.of(outcome), exchanged.replaced)


@with_options
@making
def train(recipe: Named, **options: Unpack[Options]) -> Path:
    """Train a recipe without judging it, and return the folder with the weights.

    >>> folder = harness.train("tiny")
    >>> (folder / "adapter.safetensors").is_file()
    True
    """
    request, settings = requested(recipe), workspace_of(options).settings()
    steps = request.plan()
    goal = steps.step("train")
    make_all(steps, to_make(steps, settings.store, goal), settings)
    return settings.store.folder(goal)
