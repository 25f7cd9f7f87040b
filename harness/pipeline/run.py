"""RunPlan + Store → result file: make the steps that are missing, then write the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

from harness.errors import HarnessError
from harness.interfaces import Progress
from harness.pipeline.missing import to_make
from harness.pipeline.plan import RunPlan, without
from harness.pipeline.results.assemble import write_result_file
from harness.pipeline.results.file import ResultFile
from harness.pipeline.run_settings import RunSettings
from harness.pipeline.step_runner import StepRunner
from harness.pipeline.watch.live import Together
from harness.records import Result, Step


@dataclass(frozen=True)
class Outcome:
    """A result, where it was written, and which steps had to be made for it."""

    result: Result
    path: Path
    made: tuple[str, ...]
    reused: tuple[str, ...]


Told = Callable[[Outcome], None]
"""Hears of every outcome as it comes."""


def _nobody(outcome: Outcome) -> None: ...


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
    plans: Sequence[RunPlan], settings: RunSettings, subfolder: str = "", told: Told = _nobody
) -> list[Outcome]:
    """Execute several plans, their steps side by side where the executor takes them so.

    A step that several plans need is made once, for the first of them. A result is written, and
    `told`, as soon as its steps are made; where the executor works on several, in another thread.
    """
    if not settings.together:
        outcomes = []
        for plan in plans:
            outcomes.append(execute(plan, settings, subfolder))
            told(outcomes[-1])
        return outcomes
    results = _ResultsAsTheyCome(plans, settings, subfolder, told)
    known = [step for plan in plans for step in plan.steps]
    watched = replace(settings, watcher=Together([settings.watcher, results]))
    return results.outcomes(StepRunner(results.steps(), known, watched).run())


class _ResultsAsTheyCome:
    """A watcher that writes the result of each plan when the last of its steps is made."""

    def __init__(
        self, plans: Sequence[RunPlan], settings: RunSettings, subfolder: str, told: Told
    ) -> None:
        self._plans, self._settings, self._subfolder, self._told = plans, settings, subfolder, told
        self._shares: list[list[Step]] = []
        self._left: list[set[str]] = []
        taken: set[str] = set()
        for plan in plans:
            needed = to_make(plan, settings.store)
            self._left.append({step.key for step in needed})
            self._shares.append([step for step in needed if step.key not in taken])
            taken |= self._left[-1]
        self._lock = Lock()
        self._outcomes: dict[int, Outcome] = {}

    def steps(self) -> list[Step]:
        """Return every step to make, those of the first plan first."""
        return [step for share in self._shares for step in share]

    def begin(self, step: Step, number: int, total: int) -> None: ...

    def progress(self, step: Step, progress: Progress) -> None: ...

    def end(self, step: Step) -> None:
        if not self._settings.store.has(step):
            return
        with self._lock:
            before = [number for number, left in enumerate(self._left) if left]
            for left in self._left:
                left.discard(step.key)
            whole = [number for number in before if not self._left[number]]
        for number in whole:
            with suppress(HarnessError):  # the same error comes when all steps are made
                self._finish(number, {})

    def outcomes(self, lacking: Mapping[str, str]) -> list[Outcome]:
        """Return the outcome of every plan; a result that is not written yet is written now."""
        for number in range(len(self._plans)):
            if number not in self._outcomes:
                self._finish(number, lacking)
        return [self._outcomes[number] for number in range(len(self._plans))]

    def _finish(self, number: int, lacking: Mapping[str, str]) -> None:
        plan, steps = self._plans[number], self._shares[number]
        outcome = _finish(plan, steps, lacking, self._settings, self._subfolder)
        self._outcomes[number] = outcome
        self._told(outcome)


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
