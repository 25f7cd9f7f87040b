"""Several processes at one step: `accelerate launch` under the step, and its progress relayed.

Each worker runs the stage's own function with its rank in the workplace. What a worker leaves
is found by the process that asked, which then goes on as if it had done the work alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, TrainingError
from harness.interfaces import Page, Progress, Workplace
from harness.records import StageName
from harness.stages import STAGES
from harness.steps import LatentsSpec, TextsSpec, TrainSpec

SPECS: Mapping[str, type[Page]] = {
    "latents": LatentsSpec, "texts": TextsSpec, "train": TrainSpec,
}  # fmt: skip
"""The stages whose work can be shared."""


def is_mine(number: int, place: Workplace) -> bool:
    """Return whether piece `number` of the work falls to this process."""
    return place.rank is None or number % place.processes == place.rank


def share(stage: StageName, spec: Page, place: Workplace, pieces: int) -> None:
    """Let the place's processes do the work, where there are several and enough to do."""
    if place.rank is not None or place.processes < 2 or pieces < 2:
        return
    job = place.folder / "scratch-job.json"
    log = place.folder / "scratch-workers.txt"
    job.write_text(json.dumps(_described(stage, spec, place)), encoding="utf-8")
    with log.open("w") as errors:
        child = subprocess.Popen(
            _command(place, job), stdout=subprocess.PIPE, stderr=errors, text=True
        )
        try:
            _relay(child, place)
        finally:
            child.terminate()
            child.wait()
    if child.returncode:
        tail = " | ".join(log.read_text().strip().splitlines()[-3:])[-400:]
        raise TrainingError(f"a worker of {stage} failed: {tail}", hint=f"all of it: {log}")


def _command(place: Workplace, job: Path) -> list[str]:
    return [
        sys.executable, "-m", "accelerate.commands.launch", "--num_processes",
        str(place.processes), "--num_machines", "1", "--mixed_precision", "no",
        "--dynamo_backend", "no", "--main_process_port", "0",
        "--multi_gpu",  # several processes here, whatever they compute on
        "--module", "harness.stages.sharing", str(job),
    ]  # fmt: skip


def _described(stage: StageName, spec: Page, place: Workplace) -> dict[str, Any]:
    return {
        "stage": stage,
        "spec": spec.model_dump(mode="json"),
        "folder": str(place.folder),
        "inputs": {name: str(path) for name, path in place.inputs.items()},
        "device": place.device,
        "batch": place.batch,
        "processes": place.processes,
        "logs": str(place.logs) if place.logs else None,
        "parent": os.getpid(),
    }


def _relay(child: subprocess.Popen[str], place: Workplace) -> None:
    """Report what the first worker reports, and raise what any of them raises."""
    assert child.stdout is not None
    for line in child.stdout:
        try:
            document = json.loads(line)
        except ValueError:
            continue  # a library's chatter
        if not isinstance(document, dict):
            continue
        if "error" in document:
            raise TrainingError(document["error"], hint=document["hint"])
        if "notes" in document:
            place.notes.update(document["notes"])
        else:
            place.report(Progress(**document))
    child.wait()


def work(job: Path) -> int:
    """Run one worker's share of the stage that `job` describes."""
    document = json.loads(job.read_text(encoding="utf-8"))
    rank = int(os.environ.get("RANK", "0"))
    device = document["device"]
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # libraries chat, and stdout is for reports

    def tell(progress: Progress) -> None:
        if not _lives(document["parent"]):
            os._exit(1)
        if rank == 0:
            print(json.dumps(asdict(progress)), file=out)

    place = Workplace(
        folder=Path(document["folder"]),
        inputs={name: Path(path) for name, path in document["inputs"].items()},
        device=device if device == "cpu" else f"cuda:{os.environ.get('LOCAL_RANK', '0')}",
        report=tell,
        batch=document["batch"],
        processes=document["processes"],
        rank=rank,
        logs=Path(document["logs"]) if document["logs"] else None,
    )
    spec = SPECS[document["stage"]].model_validate_json(json.dumps(document["spec"]))
    try:
        STAGES[document["stage"]].load()(spec, replace(place, notes=place.notes))
    except HarnessError as error:
        print(json.dumps({"error": error.what, "hint": error.hint}), file=out)
        return 1
    except Exception as error:
        traceback.print_exc()
        said = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        print(json.dumps({"error": said, "hint": "a worker's own words"}), file=out)
        return 1
    if rank == 0:
        print(json.dumps({"notes": place.notes}), file=out)
    return 0


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(work(Path(sys.argv[1])))
