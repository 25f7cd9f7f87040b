"""Judge what exists: pictures and adapters made elsewhere, strengths, and the metrics."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

from harness.api.options import Options, making, with_options, workspace_of
from harness.api.racing import race_of
from harness.api.results import Run, SanityReport, Sweep
from harness.api.sweeping import sweep_of
from harness.data.opening import allowed_megapixels
from harness.data.supplied import read_supplied
from harness.decisions.sweep import Kind
from harness.errors import MissingPrerequisite, UsageError
from harness.pages import benchmark as benchmarks
from harness.pages.benchmark import Judgement
from harness.pages.defaults import DEFAULT_BENCHMARK, MEGAPIXELS
from harness.pages.recipe import Base, Load, Recipe, result_name
from harness.pipeline.missing import missing
from harness.pipeline.plan import RunPlan, plan_sanity, plan_supplied, without
from harness.pipeline.request import Named, requested
from harness.pipeline.results.assemble import card_in
from harness.pipeline.run import execute, make_all


@with_options
@making
def score(
    images: str | Path | None = None,
    *,
    name: str,
    prompts: str | Path | None = None,
    adapter: str | Path | None = None,
    base: str | None = None,
    benchmark: str | Path | None = None,
    megapixels: float = MEGAPIXELS,
    **options: Unpack[Options],
) -> Run:
    """Score a folder of images, or an adapter with its base, that was made elsewhere.

    `prompts` is a CSV, JSONL or TXT file; without it, the prompts come from the file names or from
    what the program that drew an image wrote into it. `name` is what to call the result. `base` is
    the adapter's; beside images it draws the same prompts bare, and lets metrics show whether they
    can tell its style from the reference's.
    An image with more than `megapixels` is named and not scored.

    >>> found = harness.score(pictures, name="mine", benchmark="tiny-v1")
    >>> found.result.images.scored
    36
    """
    workspace = workspace_of(options)
    if images is not None and adapter is None:
        own, judgement = result_name(name), benchmarks.load(benchmark or DEFAULT_BENCHMARK)
        file = None if prompts is None else Path(prompts)
        allowed = {"megapixels": allowed_megapixels(megapixels)}
        supplied = read_supplied(Path(images), file, judgement).model_copy(update=allowed)
        steps = plan_supplied(own, supplied, judgement, _bare(base))
    elif adapter is not None and images is None:
        if base is None:
            raise UsageError("--adapter needs --base", hint="such as --base pocket/sdxl")
        steps = requested(_adapter(Path(adapter), base, name), benchmark).plan()
    else:
        raise UsageError("give either --images or --adapter", hint="`harness score --help`")
    return Run.of(execute(steps, workspace.settings()))


def _bare(base: str | None) -> Recipe | None:
    """Return a model alone, if one is named."""
    if base is None:
        return None
    return Recipe(name="base", summary=f"{base}, bare.", base=Base(model=base))


def _adapter(file: Path, base: str, name: str) -> Recipe:
    return Recipe(
        name=result_name(name),
        summary=f"The adapter {file.name}, trained elsewhere.",
        base=Base(model=base),
        load=Load(adapter=str(file)),
    )


@with_options
@making
def sanity(
    benchmark: str = DEFAULT_BENCHMARK, *, base: Named | None = None, **options: Unpack[Options]
) -> SanityReport:
    """Damage real pictures in known ways, and report which metric of a benchmark notices what.

    `base` is the recipe that draws the pictures of another style.

    >>> report = harness.sanity("tiny-v1")  # slow
    >>> report.benchmark
    'tiny-v1'
    """
    judgement, settings = benchmarks.load(benchmark), workspace_of(options).settings()
    planned = _card_plan(judgement, base, benchmark)
    lacking = make_all(planned, missing(planned, settings.store), settings)
    planned = without(planned, lacking)
    make_all(planned, missing(planned, settings.store), settings)
    card = card_in(planned, settings.store)
    if card is None:
        raise MissingPrerequisite(f"no card of {benchmark}: {min(lacking.values())}")
    return SanityReport(judgement.benchmark.name, card, card.licences(judgement.metrics))


def _card_plan(judgement: Judgement, base: Named | None, benchmark: str) -> RunPlan:
    """Return the plan of a sanity card; where a benchmark has no prompts, nobody draws for it."""
    page = judgement.benchmark
    if page.judges_pictures and page.reference is not None:
        return plan_sanity(judgement.with_pictures(page.reference.source.size() or 1), None)
    drawn = requested(base or ("pocket-base" if _is_pocket(judgement) else "sdxl-base"), benchmark)
    return plan_sanity(judgement, drawn.recipe)


def _is_pocket(judgement: Judgement) -> bool:
    reference = judgement.benchmark.reference
    return reference is not None and reference.source.use == "pocket"


@with_options
@making
def sweep(
    recipe: Named,
    *,
    over: Kind = "strength",
    at: Sequence[float] | None = None,
    benchmark: str | Path | None = None,
    race: bool = False,
    **options: Unpack[Options],
) -> Sweep:
    """Judge a recipe at many strengths or checkpoints, and say which to take.

    `at` are the strengths, else 0 to 1.25 in quarters. `race` asks few prompts first, and more only
    of the points that may still be the best.

    >>> found = harness.sweep("tiny", at=[0, 1], benchmark="tiny-v1")
    >>> [point.at for point in found.points]
    [0, 1]
    """
    request, settings = requested(recipe, benchmark), workspace_of(options).settings()
    return (race_of if race else sweep_of)(request, settings, over, at)
