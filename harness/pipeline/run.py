"""RunPlan + Store → result file: make the steps that are missing, then write the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.pipeline.missing import to_make
from harness.pipeline.plan import RunPlan, without
from harness.pipeline.results.assemble import write_result_file
from harness.pipeline.results.file import ResultFile
from harness.pipeline.run_settings import RunSettings
from harness.pipeline.step_runner import StepRunner
from harness.records import Result, Step


@dataclass(frozen=True)
class Outcome:
    """A result, where it was written, and which steps had to be made for it."""

    result: Result
    path: Path
    made: tuple[str, ...]
    reused: tuple[str, ...]


def make_all(plan: RunPlan, steps: Sequence[Step], settings: RunSettings) -> dict[str, str]:
    """Make `steps` of a plan, inputs first; Ctrl-C stops between two reports of progress.

    Features whose network cannot be had stop no other step. They are left out, as is the score
    that reads them; the reasons are returned by key.
    """
    return StepRunner(steps, plan.steps, settings).run()


def execute(
    plan: RunPlan, settings: RunSettings, subfolder: str = "", pictures: bool = True
) -> Outcome:
    """Make what is missing and write the result file, in a subfolder of the benchmark's reports.

    A result in a subfolder is no row of the leaderboard. `pictures` asks for an album beside it.
    """
    steps = to_make(plan, settings.store)
    lacking = make_all(plan, steps, settings)
    return _finish(plan, steps, lacking, settings, subfolder, pictures)


def execute_all(
    plans: Sequence[RunPlan], settings: RunSettings, subfolder: str = ""
) -> list[Outcome]:
    """Execute several plans, their steps side by side where the executor takes them so.

    A step that several plans need is made once, for the first of them.
    """
    if not settings.together:
        return [execute(plan, settings, subfolder) for plan in plans]
    shares: list[list[Step]] = []
    taken: set[str] = set()
    for plan in plans:
        shares.append([step for step in to_make(plan, settings.store) if step.key not in taken])
        taken |= {step.key for step in shares[-1]}
    known = [step for plan in plans for step in plan.steps]
    lacking = StepRunner([step for steps in shares for step in steps], known, settings).run()
    return [
        _finish(plan, steps, lacking, settings, subfolder)
        for plan, steps in zip(plans, shares, strict=True)
    ]


def _finish(
    plan: RunPlan,
    steps: Sequence[Step],
    lacking: Mapping[str, str],
    settings: RunSettings,
    subfolder: str,
    pictures: bool = True,
) -> Outcome:
    """Write the result of a plan of which `steps` were made, except what was `lacking`."""
    own = {step.key: lacking[step.key] for step in plan.steps if step.key in lacking}
    if own:
        plan = without(plan, own)
        make_all(plan, to_make(plan, settings.store), settings)
    made = tuple(step.name for step in steps if step.key not in own)
    reused = tuple(step.name for step in plan.steps if step.name not in made)
    folder = settings.reports / plan.judgement.benchmark.name / subfolder
    file = ResultFile(folder / f"{plan.recipe}.json")
    result = write_result_file(plan, settings.store, file, pictures)
    return Outcome(result, file.path, made, reused)
