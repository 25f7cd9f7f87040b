"""Several processes for one stage, started by `accelerate launch`; their messages come back.

Each process runs `worker.py` with the same job file. They share the pieces of the job; or, for
training, all run the stage's own function in step. A training over several machines is launched
on each: HARNESS_LAUNCH holds this machine's arguments, and the others wait for the job file.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from harness.errors import TrainingError
from harness.files import write_text
from harness.interfaces import OnReply, Page, Progress, StageContext
from harness.pipeline.stages.job import StageJob, describe, raise_error
from harness.records import StageName

PIECES_FILE = "scratch-pieces.json"
TOGETHER_FILE = "scratch-job.json"
"""The job of a training, in `work/KEY` of the store: a name that other machines are given."""
WORKERS_LOG = "scratch-workers.txt"
LAUNCH = "HARNESS_LAUNCH"
"""Holds arguments of `accelerate launch`, for a training over several machines."""
WORKER = "harness.pipeline.stages.worker"


def run_pieces(job: StageJob, context: StageContext, on_reply: OnReply) -> None:
    """Let processes of this machine share the pieces of a job."""
    arguments = _on_this_machine(context.processes)
    _run(job, context.folder / PIECES_FILE, arguments, context, on_reply)


def run_together(stage: StageName, spec: Page, context: StageContext) -> None:
    """Let processes run the stage's own function together, each with its rank."""
    arguments = _on_this_machine(context.processes)
    if LAUNCH in os.environ:
        arguments = shlex.split(os.environ[LAUNCH])
    job = describe(stage, spec, context)
    _run(job, context.folder / TOGETHER_FILE, arguments, context, lambda number, reply: None)


def _on_this_machine(processes: int) -> list[str]:
    counts = ["--num_processes", str(processes), "--num_machines", "1"]
    return [*counts, "--main_process_port", "0"]


def _run(
    job: StageJob, file: Path, arguments: Sequence[str], context: StageContext, on_reply: OnReply
) -> None:
    log = context.folder / WORKERS_LOG
    write_text(file, job.to_json())
    with log.open("w") as errors:
        child = start(arguments, file, errors)
        try:
            _relay(child, context, on_reply)
        finally:
            child.terminate()
            child.wait()
    if child.returncode:
        tail = " | ".join(log.read_text().strip().splitlines()[-3:])[-400:]
        raise TrainingError(f"a worker of {job.stage} failed: {tail}", hint=f"all of it: {log}")


def start(arguments: Sequence[str], file: Path, errors: IO[str]) -> subprocess.Popen[str]:
    """Start the workers of the job in `file`: they speak on stdout, and complain into `errors`."""
    command = _command(arguments, file)
    safe = os.environ | {"PYTHONSAFEPATH": "1"}  # the working directory may be a stranger's
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=safe)


def _command(arguments: Sequence[str], file: Path) -> list[str]:
    options = ["--mixed_precision", "no", "--dynamo_backend", "no"]
    options.append("--multi_gpu")  # several processes here, on GPUs or on the CPU
    accelerate = [sys.executable, "-m", "accelerate.commands.launch"]
    return [*accelerate, *arguments, *options, "--module", WORKER, str(file)]


def _relay(child: subprocess.Popen[str], context: StageContext, on_reply: OnReply) -> None:
    """Pass on the messages of the workers, and raise the first error among them."""
    assert child.stdout is not None
    for line in child.stdout:
        try:
            message = json.loads(line)
        except ValueError:
            continue  # printed by a library
        if not isinstance(message, dict):
            continue
        raise_error(message)
        if "notes" in message:
            context.notes.update(message["notes"])
        elif "piece" in message:
            on_reply(message.pop("piece"), message)
        elif "done" in message:
            context.report(Progress(**message))
    child.wait()
