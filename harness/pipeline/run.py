"""RunPlan + Store → Result: make the steps that are missing, then write one small result file."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from harness import __version__
from harness.errors import MissingPrerequisite
from harness.files import copy_whole, lines_of, write_text
from harness.interfaces import Page, Progress, StageContext, WorkerPool
from harness.pages.stages import SampleSpec
from harness.pipeline.plan import RunPlan, without
from harness.pipeline.results import album
from harness.pipeline.results.file import ResultFile
from harness.pipeline.results.tables import TABLES
from harness.pipeline.stages import STAGES
from harness.pipeline.store.local import Store, read_artifact
from harness.records import Result, Step

ALBUM = ("sample", "captions", "bare", "originals")
"""Steps whose pictures an album shows."""
PAIRS = 24
"""How many of the nearest pairs an album shows, of each metric that looks for them."""
CURVE = 200
"""Points that a loss curve has at most."""


class Watcher(Protocol):
    """Whoever wants to know how the work goes."""

    def begin(self, step: Step, number: int, total: int) -> None: ...
    def progress(self, step: Step, progress: Progress) -> None: ...
    def end(self, step: Step) -> None: ...


class Make(Protocol):
    """A function that makes one step, with the executor's pool of workers if it has one."""

    def __call__(self, step: Step, pool: WorkerPool | None = None) -> None: ...


Executor = Callable[[Sequence[Step], Make], None]


@dataclass(frozen=True)
class Settings:
    """Where and how to run; nothing of it can be seen in a result."""

    store: Store
    reports: Path
    device: Callable[[], str]
    """Asked only where there is work: finding a device loads a network library."""
    executor: Executor
    watcher: Watcher
    batch: int = 16
    processes: Callable[[str], int] = lambda device: 1
    """How many processes share a step that can be shared, on this device."""
    together: bool = False
    """Whether the executor takes the steps of several plans at once."""


class Stop:
    """Ctrl-C, remembered: an interrupt that a library's callback swallows still stops the run."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen to Ctrl-C while the block runs; elsewhere than in the main thread, do nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, self._ask)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked.set()
        raise KeyboardInterrupt

    def check(self) -> None:
        if self._asked.is_set():
            raise KeyboardInterrupt


@dataclass(frozen=True)
class Outcome:
    """A result, where it was written, and which steps had to be made for it."""

    result: Result
    path: Path
    made: tuple[str, ...]
    reused: tuple[str, ...]


def missing(plan: RunPlan, store: Store, goal: Step | None = None) -> list[Step]:
    """Return the steps to be made: only what the goal, or the score, still needs, inputs first."""
    by_key = {step.key: step for step in plan.steps}
    needed: set[str] = set()
    goal = goal or plan.score

    def need(key: str) -> None:
        if key not in needed and not store.has(by_key[key]):
            needed.add(key)
            for source in by_key[key].inputs.values():
                need(source)

    need(goal.key)
    return [step for step in plan.steps if step.key in needed]


def execute(plan: RunPlan, settings: Settings, shelf: str = "", pictures: bool = True) -> Outcome:
    """Make what is missing and write the result file, on a shelf of the benchmark's own reports.

    What lies on a shelf is no row of the leaderboard. `pictures` asks for an album beside it.
    """
    steps = missing(plan, settings.store)
    lacking = make_all(plan, steps, settings)
    return _finish(plan, steps, lacking, settings, shelf, pictures)


def execute_all(plans: Sequence[RunPlan], settings: Settings, shelf: str = "") -> list[Outcome]:
    """Execute several plans, their steps side by side where the executor takes them so.

    A step that several want is made once, for the first of them.
    """
    if not settings.together:
        return [execute(plan, settings, shelf) for plan in plans]
    shares: list[list[Step]] = []
    taken: set[str] = set()
    for plan in plans:
        shares.append([step for step in missing(plan, settings.store) if step.key not in taken])
        taken |= {step.key for step in shares[-1]}
    lacking = _make(plans, [step for steps in shares for step in steps], settings)
    return [
        _finish(plan, steps, lacking, settings, shelf)
        for plan, steps in zip(plans, shares, strict=True)
    ]


def _finish(
    plan: RunPlan,
    steps: Sequence[Step],
    lacking: Mapping[str, str],
    settings: Settings,
    shelf: str,
    pictures: bool = True,
) -> Outcome:
    """Write the result of a plan of which `steps` were made, but for what was `lacking`."""
    own = {step.key: lacking[step.key] for step in plan.steps if step.key in lacking}
    if own:
        plan = without(plan, own)
        make_all(plan, missing(plan, settings.store), settings)
    made = tuple(step.name for step in steps if step.key not in own)
    reused = tuple(step.name for step in plan.steps if step.name not in made)
    result = assemble(plan, settings.store)
    file = ResultFile(settings.reports / result.benchmark / shelf / f"{result.recipe}.json")
    write_result(result, file.path)
    for table in TABLES:
        scored = settings.store.folder(plan.score) / f"{table}.parquet"
        copy_whole(scored, file.table_path(table))
    if pictures:
        write_album(plan, settings.store, file)
    return Outcome(result, file.path, made, reused)


def write_album(plan: RunPlan, store: Store, file: ResultFile) -> None:
    """Write a result's small pictures beside it, with the originals that it comes nearest to."""
    folders = {
        step.name: store.folder(step)
        for step in plan.steps
        if step.name in ALBUM and store.has(step)
    }
    album.write(file.album_path, folders, {"originals": _nearest(file)})


def _nearest(file: ResultFile) -> set[str]:
    """Return the ids of originals that images come nearest to, in any metric."""
    if not file.has_table("likeness"):
        return set()
    rows = [row for row in file.table("likeness").to_pylist() if row["prompt_id"] is not None]
    found: set[str] = set()
    for metric in {row["metric"] for row in rows}:
        own = sorted(
            (row for row in rows if row["metric"] == metric), key=lambda row: -row["value"]
        )
        found |= {row["other"] for row in own[:PAIRS]}
    return found


def make_all(plan: RunPlan, steps: Sequence[Step], settings: Settings) -> dict[str, str]:
    """Make `steps` of a plan, inputs first; Ctrl-C stops between two reports of progress.

    Features whose network cannot be had hold nothing else up: they, and the score that wants
    them, are left out, and the reasons returned by key.
    """
    return _make([plan], steps, settings)


def _make(plans: Sequence[RunPlan], steps: Sequence[Step], settings: Settings) -> dict[str, str]:
    lacking: dict[str, str] = {}
    by_key = {step.key: step for plan in plans for step in plan.steps}
    numbers = {step.key: number for number, step in enumerate(steps, 1)}
    device = settings.device() if steps else ""
    if settings.together:  # what is imported by several threads at once comes in halves
        for stage in dict.fromkeys(step.stage for step in steps):
            STAGES[stage].load()
    stop = Stop()

    def make(step: Step, pool: WorkerPool | None = None) -> None:
        if lacking.keys() & set(step.inputs.values()):
            return
        settings.watcher.begin(step, numbers[step.key], len(steps))
        inputs = {part: settings.store.folder(by_key[key]) for part, key in step.inputs.items()}
        beside = _beside(step, steps, settings.store)
        try:
            make_one(step, inputs, device, settings, stop, beside, pool)
        except MissingPrerequisite as error:
            if step.stage != "features":
                raise
            lacking[step.key] = str(error)
        finally:
            settings.watcher.end(step)

    with stop.listening(), redirect_stdout(sys.stderr):  # libraries chat, and stdout is for results
        settings.executor(steps, make)
    return lacking


def _beside(step: Step, steps: Sequence[Step], store: Store) -> tuple[Page, ...]:
    """Return what other steps to come will ask of the same images."""
    return tuple(
        each.spec
        for each in steps
        if each.stage == step.stage == "features"
        and each.key != step.key
        and each.inputs == step.inputs
        and not store.has(each)
    )


def make_one(
    step: Step,
    inputs: Mapping[str, Path],
    device: str,
    settings: Settings,
    stop: Stop,
    beside: tuple[Page, ...] = (),
    pool: WorkerPool | None = None,
) -> None:
    """Make one step in the store, with its progress shown and its figures logged."""
    function = STAGES[step.stage].load()
    notes: dict[str, Any] = {"device": device}

    def report(progress: Progress) -> None:
        settings.watcher.progress(step, progress)
        if progress.facts:
            settings.store.log(step, progress.facts)
        stop.check()

    def work(folder: Path) -> None:
        place = StageContext(
            folder,
            inputs,
            device,
            report,
            settings.batch,
            settings.processes(device),
            logs=settings.store.logs,
            notes=notes,
            rows=settings.store.rows,
            pool=pool,
            alongside=beside,
        )
        function(step.spec, place)

    settings.store.get_or_make(step, work, notes)


def assemble(plan: RunPlan, store: Store) -> Result:
    """Return the result of a plan whose score stands in the store."""
    artifact = store.get(plan.score)
    document = json.loads((artifact.path / "scores.json").read_text(encoding="utf-8"))
    return Result.model_validate_json(
        json.dumps(
            {
                "recipe": plan.recipe,
                "benchmark": plan.judgement.benchmark.name,
                "signature": plan.signature,
                "protocol": plan.protocol,
                "summary": plan.summary,
                "origin": plan.origin,
                "training_seeds": plan.training_seeds,
                "keys": plan.keys(),
                "images": document["images"],
                "scores": document["scores"],
                "provenance": {"harness": __version__, **_history(plan, store)},
            }
        )
    )


def _history(plan: RunPlan, store: Store) -> dict[str, Any]:
    """Return how long each step took, what the work cost, and on what the score was made."""
    seconds, last, data = {}, {}, plan.data()
    for step in plan.steps:
        if store.has(step):
            last = dict(read_artifact(store.folder(step)).manifest["provenance"])
            seconds[step.name] = last.pop("seconds")
            if sources := last.pop("sources", None):
                data[step.name] = sources
    return {
        **last,
        "data": data,
        "seconds": seconds,
        "efficiency": efficiency(plan, store),
        "page": resolved(plan),
        "loss": loss_curve(plan, store),
    }


def resolved(plan: RunPlan) -> dict[str, Any]:
    """Return what the recipe said in full, defaults and all, by step."""
    return {
        step.name: _flat(step.spec.model_dump(mode="json", exclude={"prompts", "pins", "entries"}))
        for step in plan.steps
        if step.name.split("-")[0] in ("data", "texts", "train") or step.name == "sample"
    }


def _flat(spec: dict[str, Any]) -> dict[str, Any]:
    """Return a step's spec with what it calls `train` not a floor below its own name."""
    return {**spec.pop("train", {}), **spec}


def loss_curve(plan: RunPlan, store: Store) -> list[tuple[int, float]]:
    """Return step and mean loss of every stretch of training; nothing where none was trained."""
    train = next((step for step in plan.steps if step.name == "train"), None)
    if train is None or not store.has(train):
        return []
    lines = lines_of((store.folder(train) / "log.jsonl").read_text(encoding="utf-8"))
    losses = [float(json.loads(line)["loss"]) for line in lines]
    width = -(-len(losses) // CURVE) or 1
    stretches = [losses[at : at + width] for at in range(0, len(losses), width)]
    return [
        (min((number + 1) * width, len(losses)), round(sum(each) / len(each), 6))
        for number, each in enumerate(stretches)
    ]


def efficiency(plan: RunPlan, store: Store) -> dict[str, Any]:
    """Return what training and drawing took, and on what; of another machine it says nothing."""
    made = {
        step.name: store.get(step)
        for step in plan.steps
        if step.name in ("train", "sample") and store.has(step)
    }
    found: dict[str, Any] = {}
    if "train" in made:
        facts = made["train"].manifest["provenance"]
        weights = [
            made["train"].path / name
            for name in made["train"].manifest["files"]
            if "/" not in name and name.endswith(".safetensors")
        ]
        found = {
            "train_device": facts.get("device"),
            "train_seconds": facts["seconds"],
            "train_peak_memory_mb": facts.get("peak_memory_mb"),
            "adapter_mb": round(sum(file.stat().st_size for file in weights) / 1e6, 3),
        }
    if "sample" in made and isinstance(plan.step("sample").spec, SampleSpec):
        facts = made["sample"].manifest["provenance"]
        each = facts["seconds"] / max(1, plan.judgement.images)
        found |= {"sample_device": facts.get("device"), "seconds_an_image": round(each, 4)}
    return found


def write_result(result: Result, path: Path) -> None:
    document = result.model_dump(mode="json")
    write_text(path, json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
