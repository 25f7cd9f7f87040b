"""The package's public face: every verb of the command line as a function of values.

Nothing here prints; nothing here loads a network library before there is work for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from harness.data.supplied import read_supplied
from harness.decisions import leaderboard as board
from harness.decisions import sanity as card
from harness.decisions.breakdown import GroupScore, group_scores, groups_of, read_samples
from harness.decisions.sweep import (
    STRENGTHS,
    Advice,
    Kind,
    Point,
    advise,
    at_checkpoints,
    at_strengths,
)
from harness.errors import (
    MissingPrerequisite,
    UsageError,
)
from harness.files import copy_whole
from harness.pages import benchmark as benchmarks
from harness.pages import recipe as recipes
from harness.pages.benchmark import Judgement
from harness.pages.defaults import DEFAULT_BENCHMARK, default_benchmark
from harness.pages.folders import available
from harness.pages.recipe import Base, Load, Recipe
from harness.pages.train import Train
from harness.pipeline.check import cautions as cautions
from harness.pipeline.check import check as check
from harness.pipeline.doctor import Finding, examine
from harness.pipeline.forecast import Forecast, Planned, forecast
from harness.pipeline.forecast.gpus import Gpu, gpu_named
from harness.pipeline.forecast.scale import scale
from harness.pipeline.plan import RunPlan, plan, plan_reference, plan_supplied
from harness.pipeline.rehearsal import rehearsal
from harness.pipeline.results.assemble import write_result
from harness.pipeline.results.file import ResultFile
from harness.pipeline.results.read import read_result, read_results
from harness.pipeline.run import (
    Outcome,
    execute,
    execute_all,
    make_all,
    missing,
)
from harness.pipeline.run_settings import RunSettings
from harness.pipeline.store.local import Store
from harness.pipeline.store.maintenance import Garbage, collect_garbage
from harness.pipeline.store.maintenance import verify as verify
from harness.pipeline.workspace import Workspace, gpu_here, resolve_device
from harness.records import PseudoValues, Result, Step

if TYPE_CHECKING:
    from harness.delivery.export.hub import Hub
    from harness.delivery.export.write import Exported
    from harness.delivery.statistics import Statistics

DEMO = (
    "pocket-base",
    "pocket-ninja",
    "pocket-ninja-short",
    "pocket-ninja-overfit",
    "pocket-ninja-broken",
)


def plans(names: Sequence[str], benchmark: str | None, replicates: int = 1) -> list[RunPlan]:
    """Return the plan of every recipe; with replicates, one a training seed."""
    found = []
    for name in names:
        recipe, step = asked_for(name)
        judgement = benchmarks.load(benchmark or default_benchmark(recipe))
        found += [plan(each, judgement, step) for each in _replicates(recipe, replicates)]
    return found


def asked_for(name: str) -> tuple[Recipe, int | None]:
    """Return the recipe that `NAME` or `NAME@STEP` asks for, and the checkpoint if it does."""
    whole, at, step = name.rpartition("@")
    if not at or Path(name).exists():
        return recipes.load(name), None
    recipe, name = recipes.load(whole), whole
    every = recipe.train.checkpoint_every if recipe.train else None
    if recipe.train is None or every is None:
        raise UsageError(f"{name} keeps no checkpoints", hint="give it train.checkpoint_every")
    if not step.isdecimal() or not 0 < int(step) <= recipe.train.steps or int(step) % every:
        raise UsageError(
            f"{name} has no checkpoint {step!r}",
            hint=f"it keeps one every {every} steps up to {recipe.train.steps}",
        )
    return recipe, int(step)


def _replicates(recipe: Recipe, count: int) -> list[Recipe]:
    if count < 1:
        raise UsageError(f"--replicates {count} is not a number of runs", hint="1 or more")
    if count == 1 or recipe.train is None:
        return [recipe]
    first = recipe.train.seed
    return [
        recipe.with_seed(first + number).model_copy(
            update={"name": f"{recipe.name}.seed{first + number}"}
        )
        for number in range(count)
    ]


def plan_all(
    names: Sequence[str],
    benchmark: str | None,
    store: Path,
    card: str | None = None,
    nodes: Sequence[int] = (),
    pictures: int | None = None,
) -> list[Planned]:
    """Return every plan beside the store, with what it takes on the card named, or on several."""
    house, chosen = Store(store), None if card is None else gpu_named(card)
    found = []
    for recipe, each in _wanted(names, benchmark):
        to_do, cost = _ahead(recipe, each, house, chosen)
        done = frozenset(step.key for step in each.steps if house.has(step))
        many = tuple(scale(recipe, each.steps, count, pictures, chosen) for count in nodes)
        found.append(Planned(each, recipe, to_do, cost, done, many))
    return found


def _wanted(
    names: Sequence[str], benchmark: str | None, replicates: int = 1
) -> list[tuple[Recipe, RunPlan]]:
    return [
        (asked_for(name)[0], each)
        for name in names
        for each in plans([name], benchmark, replicates)
    ]


def _ahead(
    recipe: Recipe, whole: RunPlan, house: Store, card: Gpu | None
) -> tuple[tuple[Step, ...], Forecast]:
    to_do = tuple(missing(whole, house))
    return to_do, forecast(recipe, whole.steps, to_do, card)


def run(
    names: Sequence[str],
    benchmark: str | None,
    workspace: Workspace,
    replicates: int = 1,
    *,
    anyway: bool = False,
) -> list[Outcome]:
    """Make what is missing for every recipe and write one result file each.

    What cannot fit into the GPU it would run on is refused before any work, unless `anyway`.
    """
    wanted = _wanted(names, benchmark, replicates)
    complaints = [] if anyway else fits(wanted, workspace)
    if complaints:
        raise MissingPrerequisite("; ".join(complaints), hint="`harness run --anyway` tries it")
    settings = workspace.settings()
    if replicates == 1:
        return execute_all([each for _, each in wanted], settings)
    found = []
    for name in names:
        found += _replicated(name, plans([name], benchmark, replicates), settings)
    return found


def _replicated(name: str, runs: Sequence[RunPlan], settings: RunSettings) -> list[Outcome]:
    """Run every training seed of a recipe; return the recipe's result, then those of its runs."""
    from harness.decisions.replicates import combine, read_run, write_tables

    if len(runs) == 1:
        return [execute(runs[0], settings)]
    outcomes = execute_all(runs, settings, "runs")
    recipe, step = asked_for(name)
    whole = combine(
        recipe.name if step is None else f"{recipe.name}.step{step}",
        [read_run(ResultFile(each.path)) for each in outcomes],
    )
    file = ResultFile(settings.reports / whole.benchmark / f"{whole.recipe}.json")
    seeds = [each.result.training_seeds[0] for each in outcomes]
    own = [ResultFile(each.path) for each in outcomes]
    write_tables(file, list(zip(seeds, own, strict=True)))
    write_result(whole, file.path)
    copy_whole(own[0].album_path, file.album_path)
    made = tuple(f"{one.result.recipe}/{step}" for one in outcomes for step in one.made)
    reused = tuple(f"{one.result.recipe}/{step}" for one in outcomes for step in one.reused)
    return [Outcome(whole, file.path, made, reused), *outcomes]


def sanity(name: str, workspace: Workspace, base: str | None = None) -> card.SanityCard:
    """Make a benchmark's sanity card: known damage, run through every metric."""
    judgement = benchmarks.load(name)
    drawn = recipes.load(base or ("pocket-base" if _is_pocket(judgement) else "sdxl-base"))
    settings = workspace.settings()
    for each in card.plans(judgement, drawn):
        execute(each, settings, card.SUBFOLDER, pictures=False)
    found = read_card(workspace.reports, name)
    assert found is not None
    return found


def silent_on(found: card.SanityCard) -> list[tuple[str, str]]:
    """Return each metric and damage of a card that it should have found worse, and did not."""
    return card.undetected(found, benchmarks.load(found.benchmark).metrics)


def _is_pocket(judgement: Judgement) -> bool:
    reference = judgement.benchmark.reference
    return reference is not None and reference.source.use == "pocket"


def read_card(reports: Path, benchmark: str) -> card.SanityCard | None:
    """Return a benchmark's sanity card, where there is one."""
    files = sorted((reports / benchmark / card.SUBFOLDER).glob("*.json"))
    return card.card([read_result(file) for file in files]) if files else None


def write_reference(name: str, out: Path, workspace: Workspace) -> list[Statistics]:
    """Write a benchmark's reference features, looking at its pictures where nobody has yet."""
    from harness.delivery.statistics import write

    whole, settings = plan_reference(benchmarks.load(name)), workspace.settings()
    make_all(whole, [step for step in whole.steps if not settings.store.has(step)], settings)
    return write(whole, settings.store, out)


def sweep_over(
    name: str,
    kind: Kind,
    benchmark: str | None,
    workspace: Workspace,
    strengths: Sequence[float] | None = None,
) -> tuple[list[Point], Advice]:
    """Judge a recipe at many strengths or checkpoints; return the points and which to take."""
    recipe = recipes.load(name)
    judgement = benchmarks.load(benchmark or default_benchmark(recipe))
    plans = (
        at_strengths(recipe, judgement, strengths or STRENGTHS)
        if kind == "strength"
        else at_checkpoints(recipe, judgement)
    )
    settings, points = workspace.settings(), []
    for at, each in plans:
        outcome = execute(each, settings, f"sweeps/{recipe.name}")
        points.append(Point(at, outcome.result, ResultFile(outcome.path).pseudo_values().own))
    return points, advise(points)


def fits(wanted: Sequence[tuple[Recipe, RunPlan]], workspace: Workspace) -> list[str]:
    """Return why what is to do cannot be done on the device it would run on."""
    house, found = Store(workspace.store), []
    busy = [pair for pair in wanted if missing(pair[1], house)]
    if not busy:
        return []
    device = resolve_device(workspace.device)
    for recipe, _ in busy:
        if recipe.train is not None:
            found += [f"{recipe.name}: {lack}" for lack in _lacks(recipe.train, device)]
    if device == "cpu":
        return found
    card = gpu_here()
    for recipe, each in busy:
        _, cost = _ahead(recipe, each, house, card)
        found += [f"{each.recipe}: {complaint}" for complaint in cost.complaints]
    return found


def _lacks(train: Train, device: str) -> Iterator[str]:
    """Yield what the page asks for and this machine does not have."""
    optimizer = train.optimizer
    if optimizer.needs_cuda and device == "cpu":
        yield (
            f"optimizer {optimizer.use} needs CUDA (adamw does without; "
            "`harness rehearse` takes it for you)"
        )
    elif optimizer.needs_cuda and find_spec("bitsandbytes") is None:
        yield f"optimizer {optimizer.use} needs bitsandbytes: pip install bitsandbytes"
    if train.tracker is not None and find_spec(train.tracker) is None:
        yield f"tracker {train.tracker} is not installed: pip install {train.tracker}"


def train(recipe: Recipe, workspace: Workspace) -> Path:
    """Train a recipe without judging it; return the folder with what was learned."""
    whole = plan(recipe, benchmarks.load(default_benchmark(recipe)))
    settings = workspace.settings()
    goal = whole.step("train")
    make_all(whole, missing(whole, settings.store, goal), settings)
    return settings.store.folder(goal)


@dataclass(frozen=True)
class Rehearsed:
    """A rehearsal that went through."""

    outcome: Outcome
    replaced: tuple[str, ...]


def rehearse(name: str, workspace: Workspace) -> Rehearsed:
    """Run the whole recipe on the pocket world."""
    exchanged = rehearsal(recipes.load(name), benchmarks.load(DEFAULT_BENCHMARK))
    kept = Workspace(
        workspace.store, workspace.store / "rehearsals", workspace.device, quiet=workspace.quiet
    )
    outcome = execute(plan(exchanged.recipe, exchanged.judgement), kept.settings())
    return Rehearsed(outcome, exchanged.replaced)


def score_images(
    folder: Path, prompts: Path | None, benchmark: str, name: str, workspace: Workspace
) -> Outcome:
    """Judge images that were made elsewhere."""
    name, judgement = _named(name), benchmarks.load(benchmark)
    supplied = read_supplied(folder, prompts, judgement)
    return execute(plan_supplied(name, supplied, judgement), workspace.settings())


def score_adapter(
    file: Path, base: str, benchmark: str | None, name: str, workspace: Workspace
) -> Outcome:
    """Judge a LoRA file that was trained elsewhere."""
    recipe = Recipe(
        name=_named(name),
        summary=f"The adapter {file.name}, trained elsewhere.",
        base=Base(model=base),
        load=Load(adapter=str(file)),
    )
    judgement = benchmarks.load(benchmark or default_benchmark(recipe))
    return execute(plan(recipe, judgement), workspace.settings())


def _named(name: str) -> str:
    try:
        return Recipe(name=name, summary="-", base=Base(model="-")).name
    except ValueError:
        raise UsageError(
            f"{name!r} is no name for a result", hint="small letters, digits, dot, dash"
        ) from None


def export(
    result: Path,
    form: str,
    out: Path,
    store: Path,
    strip_metadata: bool = False,
    push: str | None = None,
    public: bool = False,
    hub: Hub | None = None,
) -> Exported:
    """Write the adapter that a result judged as others read it; push it only where asked."""
    from harness.delivery.export.write import Order
    from harness.delivery.export.write import export as write

    return write(result, Store(store), Order(form, out, strip_metadata, push, public), hub)


def leaderboard(reports: Path, benchmark: str | None) -> list[board.Board]:
    real = [
        read_result(file) for file in sorted(reports.glob(f"*/{card.SUBFOLDER}/{card.REAL}.json"))
    ]
    return board.boards(read_results(reports, benchmark), real, partial(_pseudo_values, reports))


def _pseudo_values(reports: Path, result: Result) -> PseudoValues:
    """Return the pseudo-values that stand beside a result file, where they do."""
    file = ResultFile(reports / result.benchmark / f"{result.recipe}.json")
    return file.pseudo_values() if file.has_table("prompts") else PseudoValues()


def parts_of(file: Path) -> list[GroupScore]:
    """Return a result file's scores by suite and tag, where its benchmark is known here."""
    result = read_result(file)
    if result.benchmark not in available("benchmark"):
        return []
    return group_scores(read_samples(file), groups_of(benchmarks.load(result.benchmark)))


def gc(workspace: Workspace, dry_run: bool) -> Garbage:
    return collect_garbage(Store(workspace.store), workspace.reports, dry_run)


def doctor(workspace: Workspace) -> list[Finding]:
    return examine(workspace.store)


def images_of(result: Result, store: Path) -> Path | None:
    """Return the folder with a result's images, where this store has it."""
    return folder_of(result, "sample", store)


def folder_of(result: Result, step: str, store: Path) -> Path | None:
    """Return the folder of a result's step, where this store has it."""
    key = result.keys.get(step)
    return Store(store).find(key) if key else None
