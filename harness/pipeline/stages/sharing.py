"""Work in pieces, and the one way of sharing it out: here, over processes, or by a crew.

A stage says which pieces there are and how one is done; a piece is cut the same way whoever does
it, writes whole files, and may be done twice. So whoever does it cannot be seen in what is made.
Training is no such work: its processes march in step, under `accelerate launch`. On several
machines each launches its own: HARNESS_LAUNCH says how here, and the others wait for the job.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import shlex
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, MissingPrerequisite, TrainingError, UsageError
from harness.files import write_text
from harness.interfaces import OnReply, Page, PoolJob, Progress, Reply, Report, StageContext
from harness.pages.stages import (
    FeaturesSpec,
    LatentsSpec,
    SampleSpec,
    ScoreSpec,
    TextsSpec,
    TrainSpec,
)
from harness.pipeline.stages import STAGES
from harness.records import StageName

SPECS: Mapping[str, type[Page]] = {
    "latents": LatentsSpec,
    "texts": TextsSpec,
    "train": TrainSpec,
    "sample": SampleSpec,
    "features": FeaturesSpec,
    "score": ScoreSpec,
}
"""The stages whose work can be shared."""
OPENINGS: Mapping[str, str] = {
    "latents": "harness.pipeline.stages.latents:encoder",
    "texts": "harness.pipeline.stages.texts:embedder",
    "sample": "harness.pipeline.stages.sample:drawer",
    "features": "harness.pipeline.stages.features:looker",
    "score": "harness.pipeline.stages.score:judging",
}
"""For each that comes in pieces: (spec, place) → a function of one piece, which loads once."""
TOGETHER = "scratch-job.json"
"""What the processes of a training read: in the step's work folder, `work/KEY` of the store."""
TOLD = "scratch-progress.jsonl"
"""How far a worker elsewhere has come with a step that it does alone."""
LAUNCH = "HARNESS_LAUNCH"
"""Holds what `accelerate launch` is told of machines and processes, where training has several."""
AWAITED = 6 * 3600.0
"""Seconds that another machine waits for the job of a training to be written."""
_KINDS = {each.__name__: each for each in (MissingPrerequisite, UsageError)}
Work = Callable[[Any], None]


@dataclass(frozen=True)
class Piece:
    """A part of a stage's work: plain values that say which, and how much of the whole it is."""

    what: Any
    size: int = 1


def is_shared(place: StageContext, pieces: int) -> bool:
    """Return whether anybody but this process will do some of the work."""
    return pieces > 0 and (place.pool is not None or (place.processes > 1 and pieces > 1))


def share(
    stage: StageName,
    spec: Page,
    place: StageContext,
    pieces: Sequence[Piece],
    beside: int = 0,
    note: str = "",
    done: Callable[[Piece], None] = lambda piece: None,
) -> None:
    """Have every piece done, and call `done` for each; `beside` is what was done before."""
    tally = _Tally(pieces, beside, note, place.report, done)
    if not pieces:
        return
    if place.pool is not None:
        job = PoolJob(stage, f"{__name__}:opened", _described(stage, spec, place), _on_card(place))
        place.pool.do(job, [piece.what for piece in pieces], tally.on_reply)
    elif is_shared(place, len(pieces)):
        _launch(_described(stage, spec, place, pieces), place, tally.on_reply)
    else:
        _alone(stage, spec, place, pieces, tally)


class _Tally:
    """How far all pieces have come together."""

    def __init__(
        self,
        pieces: Sequence[Piece],
        beside: int,
        note: str,
        report: Report,
        done: Callable[[Piece], None],
    ) -> None:
        self._pieces, self._note, self._report, self._done = pieces, note, report, done
        self._moved = [0] * len(pieces)
        self._now = beside
        self._total = beside + sum(piece.size for piece in pieces)

    def moved(self, number: int, count: int) -> None:
        self._now += count - self._moved[number]
        self._moved[number] = count
        self._report(Progress(self._now, self._total, self._note))

    def on_reply(self, number: int | None, reply: Reply) -> None:
        """Take in what a worker says of a piece."""
        raise_what_was_said(reply)
        if number is None:
            self._report(Progress(self._now, self._total, self._note))
        elif "moved" in reply:
            self.moved(number, reply["moved"])
        else:
            self._done(self._pieces[number])
            self.moved(number, self._pieces[number].size)


def _alone(
    stage: StageName, spec: Page, place: StageContext, pieces: Sequence[Piece], tally: _Tally
) -> None:
    at = 0

    def tell(progress: Progress) -> None:
        tally.moved(at, progress.done)

    work = _opening(stage)(spec, replace(place, report=tell))
    for at, piece in enumerate(pieces):
        work(piece.what)
        tally.on_reply(at, {})


def _opening(stage: str) -> Callable[[Page, StageContext], Work]:
    module, _, name = OPENINGS[stage].partition(":")
    function: Callable[[Page, StageContext], Work] = getattr(importlib.import_module(module), name)
    return function


def launch(stage: StageName, spec: Page, place: StageContext) -> None:
    """Let the place's processes run the stage's own function together, each with its rank."""
    _launch(_described(stage, spec, place), place, lambda number, reply: None, TOGETHER)


def delegate(stage: StageName, spec: Page, place: StageContext) -> None:
    """Have the whole of a stage done by one of the crew; what it reports comes through a file."""
    assert place.pool is not None
    told = _Told(place.folder / TOLD, place.report)

    def on_reply(number: int | None, reply: Reply) -> None:
        told.read()
        raise_what_was_said(reply)
        place.notes.update(reply.get("notes", {}))

    job = PoolJob(stage, f"{__name__}:whole", _described(stage, spec, place), _on_card(place))
    place.pool.do(job, [None], on_reply)


class _Told:
    """The lines that a worker has added to a file since they were last read."""

    def __init__(self, file: Path, report: Report) -> None:
        self._file, self._report, self._read = file, report, 0
        file.unlink(missing_ok=True)

    def read(self) -> None:
        if not self._file.is_file():
            return
        with self._file.open("rb") as stream:
            stream.seek(self._read)
            text = stream.read()
        text = text[: text.rfind(b"\n") + 1]
        self._read += len(text)
        for line in text.splitlines():
            self._report(Progress(**json.loads(line)))


def raise_what_was_said(reply: Reply) -> None:
    if "error" in reply:
        kind = _KINDS.get(reply.get("kind", ""), TrainingError)
        raise kind(reply["error"], hint=reply["hint"])


def _on_card(place: StageContext) -> bool:
    return place.device != "cpu"


def _launch(
    document: str, place: StageContext, on_reply: OnReply, name: str = "scratch-pieces.json"
) -> None:
    job = place.folder / name
    log = place.folder / "scratch-workers.txt"
    write_text(job, document)
    with log.open("w") as errors:
        child = subprocess.Popen(
            _command(place, job), stdout=subprocess.PIPE, stderr=errors, text=True
        )
        try:
            _relay(child, place, on_reply)
        finally:
            child.terminate()
            child.wait()
    if child.returncode:
        tail = " | ".join(log.read_text().strip().splitlines()[-3:])[-400:]
        stage = json.loads(document)["stage"]
        raise TrainingError(f"a worker of {stage} failed: {tail}", hint=f"all of it: {log}")


def _command(place: StageContext, job: Path) -> list[str]:
    machines = [
        "--num_processes",
        str(place.processes),
        "--num_machines",
        "1",
        "--main_process_port",
        "0",
    ]
    if job.name == TOGETHER and LAUNCH in os.environ:
        machines = shlex.split(os.environ[LAUNCH])
    return [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        *machines,
        "--mixed_precision",
        "no",
        "--dynamo_backend",
        "no",
        "--multi_gpu",  # several processes here, whatever they compute on
        "--module",
        "harness.pipeline.stages.sharing",
        str(job),
    ]


def _described(
    stage: StageName, spec: Page, place: StageContext, pieces: Sequence[Piece] = ()
) -> str:
    return json.dumps(
        {
            "stage": stage,
            "spec": spec.model_dump(mode="json"),
            "folder": str(place.folder.resolve()),
            "inputs": {name: str(path.resolve()) for name, path in place.inputs.items()},
            "device": place.device,
            "batch": place.batch,
            "processes": place.processes,
            "logs": str(place.logs.resolve()) if place.logs else None,
            "alongside": [each.model_dump(mode="json") for each in place.alongside],
            "pieces": [piece.what for piece in pieces],
            "parent": os.getpid(),
            "machine": platform.node(),
            "directory": str(Path.cwd()),
        }
    )


def _relay(child: subprocess.Popen[str], place: StageContext, on_reply: OnReply) -> None:
    """Report what the workers report, and raise what any of them raises."""
    assert child.stdout is not None
    for line in child.stdout:
        try:
            document = json.loads(line)
        except ValueError:
            continue  # a library's chatter
        if not isinstance(document, dict):
            continue
        raise_what_was_said(document)
        if "notes" in document:
            place.notes.update(document["notes"])
        elif "piece" in document:
            on_reply(document.pop("piece"), document)
        elif "done" in document:
            place.report(Progress(**document))
    child.wait()


def _place(document: Mapping[str, Any], report: Report) -> StageContext:
    return StageContext(
        folder=Path(document["folder"]),
        inputs={name: Path(path) for name, path in document["inputs"].items()},
        device=document["device"],
        report=report,
        batch=document["batch"],
        logs=Path(document["logs"]) if document["logs"] else None,
        alongside=tuple(
            SPECS["features"].model_validate_json(json.dumps(each))
            for each in document["alongside"]
        ),
    )


def _spec(document: Mapping[str, Any]) -> Page:
    return SPECS[document["stage"]].model_validate_json(json.dumps(document["spec"]))


def opened(text: str) -> Callable[[Any], Reply]:
    """Return what does one piece of the work that a job describes, and says what came of it."""
    document = _read(text)
    work = _opening(document["stage"])(_spec(document), _place(document, lambda progress: None))

    def piece(what: Any) -> Reply:
        with _said() as reply:
            work(what)
        return reply

    return piece


def whole(text: str) -> Callable[[Any], Reply]:
    """Return what does the whole of a stage, and says what came of it."""
    document = _read(text)

    def tell(progress: Progress) -> None:
        with (Path(document["folder"]) / TOLD).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(progress)) + "\n")

    def all_of_it(_: Any) -> Reply:
        place = _place(document, tell)
        with _said() as reply:
            STAGES[document["stage"]].load()(_spec(document), place)
            reply["notes"] = place.notes
        return reply

    return all_of_it


def _read(text: str) -> dict[str, Any]:
    """Return a job's document, standing where it was written."""
    document: dict[str, Any] = json.loads(text)
    if Path(document["directory"]).is_dir():
        os.chdir(document["directory"])
    return document


@contextmanager
def _said() -> Iterator[Reply]:
    """Turn an error into words that whoever asked can raise again."""
    reply: Reply = {}
    try:
        yield reply
    except HarnessError as error:
        reply |= {"error": error.what, "hint": error.hint, "kind": type(error).__name__}
    except Exception as error:
        traceback.print_exc()
        said = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        reply |= {"error": said, "hint": "a worker's own words"}


def work(job: Path) -> int:
    """Do one process's share of the stage that `job` describes."""
    document = _read(_awaited(job))
    rank = int(os.environ.get("RANK", "0"))
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # libraries chat, and stdout is for reports

    def say(words: Mapping[str, Any]) -> None:
        if document["machine"] == platform.node() and not _lives(document["parent"]):
            os._exit(1)
        print(json.dumps(words), file=out)

    if document["device"] != "cpu":
        document["device"] = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    with _said() as reply:
        (_some if document["pieces"] else _in_step)(document, rank, say)
    if "error" in reply:
        print(json.dumps(reply), file=out)
    return int("error" in reply)


def _awaited(job: Path) -> str:
    """Return what a job says, waiting for it where another machine has yet to write it."""
    deadline = time.monotonic() + AWAITED
    while not job.is_file():
        if time.monotonic() > deadline:
            raise TrainingError(f"{job} never came", hint="was training started elsewhere?")
        time.sleep(0.5)
    return job.read_text(encoding="utf-8")


Say = Callable[[Mapping[str, Any]], None]


def _some(document: Mapping[str, Any], rank: int, say: Say) -> None:
    """Do every piece that falls to this process."""
    at = 0

    def tell(progress: Progress) -> None:
        say({"piece": at, "moved": progress.done})

    piece = _opening(document["stage"])(_spec(document), _place(document, tell))
    for at in range(rank, len(document["pieces"]), document["processes"]):
        piece(document["pieces"][at])
        say({"piece": at})


def _in_step(document: Mapping[str, Any], rank: int, say: Say) -> None:
    """Run the stage's own function beside the others; the first process speaks for all."""

    def tell(progress: Progress) -> None:
        if rank == 0:
            say(asdict(progress))

    place = replace(_place(document, tell), rank=rank, processes=document["processes"])
    STAGES[document["stage"]].load()(_spec(document), place)
    if rank == 0:
        say({"notes": place.notes})


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(work(Path(sys.argv[1])))
