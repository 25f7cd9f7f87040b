"""The other end of a job: what a worker process does with it.

`python -m harness.pipeline.stages.worker JOB` is what `accelerate launch` runs in each process.
`open_pieces` and `open_stage` are what an executor calls in the workers of its pool.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, TrainingError
from harness.interfaces import Progress, Reply
from harness.pipeline.stages import STAGES
from harness.pipeline.stages.job import ProgressFile, StageJob, piece_function

LONGEST_WAIT = 6 * 3600.0
"""Seconds that another machine waits for the job file of a training."""
Send = Callable[[Mapping[str, Any]], None]
"""Sends a message to the process that waits for the job."""


def open_pieces(document: str) -> Callable[[Any], Reply]:
    """Return a function that does one piece of a job and returns the reply."""
    job = _open(document)
    do_piece = piece_function(job.stage, job.read_spec(), job.context(lambda progress: None))

    def reply_to(what: Any) -> Reply:
        with errors_in_reply() as reply:
            do_piece(what)
        return reply

    return reply_to


def open_stage(document: str) -> Callable[[Any], Reply]:
    """Return a function that does a whole stage and returns the reply."""
    job = _open(document)

    def reply_to(_: Any) -> Reply:
        context = job.context(ProgressFile(Path(job.folder)).add)
        with errors_in_reply() as reply:
            STAGES[job.stage].load()(job.read_spec(), context)
            reply["notes"] = context.notes
        return reply

    return reply_to


def _open(document: str) -> StageJob:
    """Return the job, and change to the directory that it was written in."""
    job = StageJob(**json.loads(document))
    if Path(job.directory).is_dir():
        os.chdir(job.directory)
    return job


@contextmanager
def errors_in_reply() -> Iterator[Reply]:
    """Put an error of the block into the reply, so that the waiting process can raise it."""
    reply: Reply = {}
    try:
        yield reply
    except HarnessError as error:
        reply |= {"error": error.what, "hint": error.hint, "kind": type(error).__name__}
    except Exception as error:
        traceback.print_exc()
        message = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        reply |= {"error": message, "hint": "a worker's own words"}


def main(file: Path) -> int:
    """Do this process's share of the job in `file`; return the exit code."""
    job = _open(_wait_for(file))
    rank = int(os.environ.get("RANK", "0"))
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # libraries print to stdout, and stdout is for messages

    def send(message: Mapping[str, Any]) -> None:
        if job.machine == platform.node() and not _is_alive(job.parent):
            os._exit(1)
        print(json.dumps(message), file=out)

    if job.device != "cpu":
        job = replace(job, device=f"cuda:{os.environ.get('LOCAL_RANK', '0')}")
    with errors_in_reply() as reply:
        (_do_pieces if job.pieces else _run_stage)(job, rank, send)
    if "error" in reply:
        print(json.dumps(reply), file=out)
    return int("error" in reply)


def _wait_for(file: Path) -> str:
    """Return the text of the job; another machine may have yet to write it."""
    deadline = time.monotonic() + LONGEST_WAIT
    while not file.is_file():
        if time.monotonic() > deadline:
            raise TrainingError(f"{file} never came", hint="was training started elsewhere?")
        time.sleep(0.5)
    return file.read_text(encoding="utf-8")


def _do_pieces(job: StageJob, rank: int, send: Send) -> None:
    """Do every piece that falls to this process."""
    number = 0

    def report(progress: Progress) -> None:
        send({"piece": number, "moved": progress.done})

    do_piece = piece_function(job.stage, job.read_spec(), job.context(report))
    for number in range(rank, len(job.pieces), job.processes):
        do_piece(job.pieces[number])
        send({"piece": number})


def _run_stage(job: StageJob, rank: int, send: Send) -> None:
    """Run the stage's own function in step with the others; the first process reports for all."""

    def report(progress: Progress) -> None:
        if rank == 0:
            send(asdict(progress))

    context = replace(job.context(report), rank=rank, processes=job.processes)
    STAGES[job.stage].load()(job.read_spec(), context)
    if rank == 0:
        send({"notes": context.notes})


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
