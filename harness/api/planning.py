"""Look ahead: what is wrong with pages, and what a recipe would take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

from harness.api.options import Options, Workspace, with_options, workspace_of
from harness.errors import Problem
from harness.escaping import one_line, printable
from harness.pipeline import check as checks
from harness.pipeline.forecast import Planned, forecast
from harness.pipeline.forecast.gpus import Gpu, gpu_named
from harness.pipeline.forecast.scale import scale
from harness.pipeline.missing import missing
from harness.pipeline.points import at_checkpoints
from harness.pipeline.request import Named, Request, requested
from harness.pipeline.store.local import Store
from harness.records import Step


@dataclass(frozen=True)
class Plan:
    """The steps of a recipe, which of them are done, and a forecast of the rest.

    >>> planned = harness.plan("naruto-1024", card="t4")
    >>> "train" in planned.steps, "train" in planned.to_do
    (True, True)
    """

    planned: Planned

    @property
    def steps(self) -> tuple[str, ...]:
        """Return the name of every step, inputs first."""
        return tuple(step.name for step in self.planned.plan.steps)

    @property
    def to_do(self) -> tuple[str, ...]:
        """Return the name of every step that is still to be made."""
        return tuple(step.name for step in self.planned.to_do)

    @property
    def fits(self) -> bool:
        """Return whether the forecast fits into the memory of the GPU."""
        return self.planned.forecast.fits

    def as_json(self) -> dict[str, Any]:
        """Return what `harness plan --json` prints."""
        return self.planned.as_json()

    def __str__(self) -> str:
        from harness.pipeline.forecast.scale import table
        from harness.report.text import plan_text

        scales = table(self.planned.scales) if self.planned.scales else ()
        return printable("\n".join([plan_text(self.planned), *scales]))

    def __repr__(self) -> str:
        plan, left = self.planned.plan, len(self.planned.to_do)
        names = f"{plan.recipe} under {plan.judgement.benchmark.name}"
        return one_line(f"<Plan of {names}: {len(plan.steps)} steps, {left} to do>")

    def _repr_html_(self) -> str:
        from harness.report.notebook import plan_html

        return plan_html(self.planned)


@dataclass(frozen=True)
class PageCheck:
    """What is wrong with pages, and what may go wrong later."""

    count: int
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Return whether every page is valid."""
        return not self.problems

    def __str__(self) -> str:
        if self.problems:
            return printable("\n".join(map(str, self.problems)))
        return f"{self.count} {'page is' if self.count == 1 else 'pages are'} valid"


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
