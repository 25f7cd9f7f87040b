"""The pocket demo: five recipes, made side by side, on a page that fills as they come."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from harness.api.boards import Leaderboard, leaderboard
from harness.api.options import Workspace, making
from harness.errors import HarnessError
from harness.files import write_text
from harness.interfaces import Progress
from harness.pages.defaults import DEFAULT_BENCHMARK
from harness.pipeline.executors.processes import ProcessPool
from harness.pipeline.missing import missing
from harness.pipeline.plan import RunPlan
from harness.pipeline.request import requested
from harness.pipeline.run import Outcome, execute_all
from harness.pipeline.run_settings import RunSettings
from harness.pipeline.store.local import Store
from harness.pipeline.watch.live import Together
from harness.records import Step
from harness.report.live import GoingOn, StepUnderWay, filled
from harness.report.page import html
from harness.report.pictures import readable_thumbnail

DEMO = (
    "pocket-base",
    "pocket-ninja",
    "pocket-ninja-short",
    "pocket-ninja-overfit",
    "pocket-ninja-broken",
)
TITLE = "The pocket leaderboard"
BETWEEN = 2.0
"""Seconds between two writings of the page."""
SHOWN = 12
"""Pictures that the page shows of a recipe that has no result yet: those drawn last."""


@making
def demo(
    *, workspace: Workspace, page: Path, say: Callable[[str], None] = lambda text: None
) -> Leaderboard:
    """Run the pocket recipes, and return the board that they make.

    `page` fills while they run; `say` hears where to look once there is something to see.
    """
    live = LivePage(page, workspace, say)
    with live:
        plans = [requested(each, DEFAULT_BENCHMARK).plan() for each in DEMO]
        outcomes = execute_all(plans, _side_by_side(plans, workspace, live), told=live.told)
        board = _board({each.result.signature for each in outcomes}, workspace)
        write_text(page, board.page(TITLE))
    return board


def _side_by_side(plans: list[RunPlan], workspace: Workspace, live: LivePage) -> RunSettings:
    """Return settings that show the run on the page, and on a CPU make its steps side by side."""
    settings = workspace.settings()
    settings = replace(settings, watcher=Together([settings.watcher, live]))
    to_do = any(missing(plan, settings.store) for plan in plans)
    if not to_do or settings.together or settings.device() != "cpu":
        return settings
    return replace(settings, executor=ProcessPool(workspace.processes).run, together=True)


def _board(signatures: set[str], workspace: Workspace) -> Leaderboard:
    every = leaderboard(DEFAULT_BENCHMARK, workspace=workspace)
    return replace(every, boards=tuple(each for each in every if each.signature in signatures))


class LivePage:
    """A watcher that writes what there is by now as a page, every few seconds."""

    def __init__(self, file: Path, workspace: Workspace, say: Callable[[str], None]) -> None:
        self._file, self._workspace, self._say = file, workspace, say
        self._store = Store(workspace.store)
        self._began, self._written = time.monotonic(), 0.0
        self._lock = threading.Lock()
        self._running: dict[str, StepUnderWay] = {}
        self._drawing: dict[str, Step] = {}
        self._made = self._total = 0
        self._signatures: set[str] = set()
        self._page = _page_of(Leaderboard((), workspace))
        self._is_stale = self._has_said = False

    def __enter__(self) -> None:
        self._write()

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            self._write(stopped=True)

    def told(self, outcome: Outcome) -> None:
        """Have the board show a result that was just written."""
        self._signatures.add(outcome.result.signature)
        self._drawing.pop(outcome.result.recipe, None)
        self._is_stale = True
        self._write_now_and_then()

    def begin(self, step: Step, number: int, total: int) -> None:
        self._total = total
        self._running[step.key] = StepUnderWay(f"{step.subject} · {step.name}")
        if step.name == "sample":
            self._drawing[step.subject] = step
        self._write_now_and_then()

    def progress(self, step: Step, progress: Progress) -> None:
        name = self._running[step.key].name
        self._running[step.key] = StepUnderWay(name, progress.done, progress.total, progress.note)
        self._write_now_and_then()

    def end(self, step: Step) -> None:
        self._running.pop(step.key, None)
        self._made += 1
        self._write_now_and_then()

    def _write_now_and_then(self) -> None:
        """Write the page, unless that was just done or another thread is at it."""
        if time.monotonic() - self._written > BETWEEN and self._lock.acquire(blocking=False):
            try:
                self._write()
            finally:
                self._lock.release()

    def _write(self, stopped: bool = False) -> None:
        self._written = time.monotonic()
        if self._is_stale:
            self._is_stale = False
            with suppress(HarnessError):  # the end tells of it
                self._page = _page_of(_board(self._signatures, self._workspace))
        pictures = {recipe: self._last_drawn(step) for recipe, step in dict(self._drawing).items()}
        seconds, steps = time.monotonic() - self._began, tuple(dict(self._running).values())
        now = GoingOn(seconds, self._made, self._total, steps, pictures, stopped)
        write_text(self._file, filled(self._page, now))
        if any(pictures.values()) and not self._has_said:
            self._has_said = True
            self._say(f"Look at {self._file} in a browser: it fills as pictures and results come")

    def _last_drawn(self, step: Step) -> list[str]:
        """Return the last pictures of a sample, finished or under way, as URIs."""
        for folder in (self._store.folder(step), self._store.work(step)):
            with suppress(OSError):  # it has just moved
                files = sorted(folder.glob("images/*.png"), key=lambda file: file.stat().st_mtime)
                found = [readable_thumbnail(file) for file in files[-SHOWN:]]
                if any(found):
                    return [each for each in found if each is not None]
        return []


def _page_of(board: Leaderboard) -> str:
    """Return the page of a board that is not whole yet."""
    return html(board.boards, board.folder, board.card, TITLE, live=True)
