"""Look at what there is: results, boards, pages, and what a recipe would take."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Unpack

from harness.api.decide import find_result
from harness.api.options import Options, Workspace, with_options, workspace_of
from harness.api.results import Leaderboard, PageCheck, Plan, Run
from harness.decisions import leaderboard as board
from harness.decisions.sweep import at_checkpoints
from harness.errors import HarnessError, PageError
from harness.pages import benchmark as benchmarks
from harness.pages import recipe as recipes
from harness.pages.benchmark import Judgement
from harness.pages.recipe import Recipe
from harness.pipeline import check as checks
from harness.pipeline.forecast import Planned, forecast
from harness.pipeline.forecast.gpus import Gpu, gpu_named
from harness.pipeline.forecast.scale import scale
from harness.pipeline.request import Named, Request, requested
from harness.pipeline.results.file import ResultFile
from harness.pipeline.results.read import read_result, result_paths
from harness.pipeline.run import missing
from harness.pipeline.store.local import Store
from harness.records import PseudoValues, Step


@with_options
def leaderboard(benchmark: str | None = None, **options: Unpack[Options]) -> Leaderboard:
    """Rank the results of a benchmark, or of every benchmark; equal results share a rank.

    >>> boards = harness.leaderboard("tiny-v1")
    >>> sorted(row.result.recipe for row in boards[0].rows)
    ['pocket-base', 'tiny']
    """
    workspace = workspace_of(options)
    reports = workspace.reports
    problems: list[HarnessError] = []
    files = [ResultFile(path) for path in result_paths(reports, benchmark)]
    whole = _readable(files, problems)
    if not whole:
        raise problems[0]
    by_result = {id(each.result): each for each in whole}
    pseudo_values = cache(lambda place: _pseudo_values(by_result[place], problems))
    results = [each.result for each in whole]
    boards = board.boards(results, lambda result: pseudo_values(id(result)))
    return Leaderboard(tuple(boards), workspace, tuple(str(each) for each in problems))


def _readable(files: Sequence[ResultFile], problems: list[HarnessError]) -> list[ResultFile]:
    """Return the files that hold results, and note the problem of every other."""
    whole = []
    for file in files:
        try:
            _ = file.result
            whole.append(file)
        except PageError as error:
            problems.append(error)
    return whole


def _pseudo_values(file: ResultFile, problems: list[HarnessError]) -> PseudoValues:
    """Return the pseudo-values that belong to a result, if there are any that can be read."""
    try:
        return file.pseudo_values() if file.has_table("prompts") else PseudoValues()
    except HarnessError as error:
        problems.append(error)
        return PseudoValues()


@with_options
def load_result(
    result: str | Path, *, benchmark: str | None = None, **options: Unpack[Options]
) -> Run:
    """Return a result by its file, or by the name of a recipe that was run.

    >>> found = harness.load_result("tiny")
    >>> found.result.images.scored
    36
    >>> len(found.to_pandas("samples")) > 36
    True
    """
    file = find_result(result, benchmark, workspace_of(options).reports)
    return Run(read_result(file), file)


def load_recipe(recipe: str | Path) -> Recipe:
    """Return the page of a recipe, by its name or file.

    >>> harness.load_recipe("tiny").train.adapter.rank
    4
    """
    return recipes.load(str(recipe))


def load_benchmark(benchmark: str | Path) -> Judgement:
    """Return a benchmark with its suites, by its name or file.

    >>> harness.load_benchmark("tiny-v1").images
    36
    """
    return benchmarks.load(benchmark)


@with_options
def plan(
    recipe: Named,
    *,
    benchmark: str | Path | None = None,
    card: str | None = None,
    **options: Unpack[Options],
) -> Plan:
    """Return the steps of a recipe, what is done, and what the rest will cost; run nothing.

    `card` is the GPU to forecast for, such as a100; else the recipe's own.

    >>> harness.plan("naruto-1024", card="t4").fits
    True
    """
    return plan_all([recipe], benchmark=benchmark, card=card, **options)[0]


@with_options
def plan_all(
    recipes: Sequence[Named],
    *,
    benchmark: str | Path | None = None,
    card: str | None = None,
    nodes: Sequence[int] = (),
    pictures: int | None = None,
    **options: Unpack[Options],
) -> list[Plan]:
    """Return the plan of each recipe, with a forecast for one card or for several `nodes`.

    >>> [len(each.to_do) for each in harness.plan_all(["tiny"], benchmark="tiny-v1")]
    [0]
    """
    workspace = workspace_of(options)
    gpu = None if card is None else gpu_named(card)
    requests = [requested(recipe, benchmark) for recipe in recipes]
    return [Plan(_planned(request, workspace, gpu, nodes, pictures)) for request in requests]


def _planned(
    request: Request,
    workspace: Workspace,
    card: Gpu | None,
    nodes: Sequence[int],
    pictures: int | None,
) -> Planned:
    """Return a plan beside the store, with what it takes on one card or on several."""
    whole, recipe = request.plan(), request.recipe
    store, batch = Store(workspace.store), workspace.images_at_once
    to_do = tuple(missing(whole, store))
    done = frozenset(step.key for step in whole.steps if store.has(step))
    many = tuple(scale(recipe, whole.steps, count, pictures, card, batch) for count in nodes)
    beside = _of_checkpoints(request, store) if request.judges_checkpoints else ()
    own = {step.key for step in to_do}
    more = tuple(step for step in beside if step.key not in own)
    one = forecast(recipe, (*whole.steps, *more), (*to_do, *more), card, batch)
    return Planned(whole, recipe, to_do, one, done, many, more)


def _of_checkpoints(request: Request, store: Store) -> tuple[Step, ...]:
    """Return the steps that judge each checkpoint by itself and are missing."""
    plans = [each for _, each in at_checkpoints(request.recipe, request.judgement)]
    return tuple({step.key: step for each in plans for step in missing(each, store)}.values())


def check(*files: str | Path) -> PageCheck:
    """Check pages, or all pages where none is given, and return every problem at once.

    >>> harness.check("recipes/tiny.yaml").ok
    True
    """
    chosen = [Path(file) for file in files]
    count, problems = checks.check(chosen)
    return PageCheck(count, tuple(problems), tuple(checks.cautions(chosen)))
