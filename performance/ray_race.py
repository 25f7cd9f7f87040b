"""One job by the local executor and by a Ray cluster of this machine: same bytes, what more time?

    python performance/ray_race.py [--images 2000]

The job collects as many pocket pictures as it draws, encodes them and their captions, draws, looks
at what was drawn and scores it. The adapter is trained once beforehand and lies in every store, for
training is one step whoever runs it. Three runs, each a process from its start to its end: local
with two processes; Ray with two workers; the same while workers are killed in the middle.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

import harness
from harness.pipeline.plan import RunPlan
from harness.pipeline.request import requested
from harness.pipeline.run import execute, make_all
from harness.pocket.world import row

SEEDS = 4
RECIPE = """\
schema_version: 1
name: race
summary: A few steps, for something to draw with.
base: {{model: pocket/sdxl}}
data:
  source: {{use: pocket, set: ninja, count: {images}}}
  caption: {{words: tags, shuffle: true, keep_first: 1, variants: 2}}
train:
  method: lora
  adapter: {{rank: 4}}
  resolution: 64
  batch: 4
  optimizer: {{use: adamw}}
  phases: [{{steps: 20, rate: 1.0e-3}}]
"""
BENCHMARK = """\
schema_version: 1
name: race-v1
summary: As many pictures as the race wants, and metrics on every network of the pocket.
suites: [race]
seeds: [1, 2, 3, 4]
sampler: {scheduler: euler-a, steps: 6, guidance: 4.0, width: 64, height: 64}
reference:
  source: {use: pocket, set: ninja, first: 100000, count: 400}
  resolution: 64
metrics:
  - {use: kid, features: {use: classifier, model: pocket/inception}}
  - {use: fid, features: {use: classifier, model: pocket/inception}}
  - {use: precision, features: {use: classifier, model: pocket/inception}}
  - {use: recall, features: {use: classifier, model: pocket/inception}}
  - {use: cmmd, features: {use: open-clip, model: pocket/clip}}
  - {use: clip-score, features: {use: open-clip, model: pocket/clip}}
  - {use: tag-recall, features: {use: tagger, model: pocket/tagger}}
  - {use: aesthetic, features: {use: label, model: pocket/aesthetic, label: hq}}
"""


@dataclass(frozen=True)
class Lap:
    """One run of the job: how long it took, whom it lost, what it left."""

    seconds: float
    killed: int
    files: dict[str, dict[str, str]]


@dataclass(frozen=True)
class Raced:
    """What a race found."""

    images: int
    local_seconds: float
    ray_seconds: float
    overhead: float
    artifacts: int
    same: bool
    killed: int
    killed_seconds: float
    same_after_kills: bool


def write_pages(folder: Path, images: int) -> None:
    """Write the job's recipe, suite and benchmark where `folder` is the working directory."""
    prompts = [
        {"id": f"p{at:05d}", "text": row("faces", at).caption} for at in range(images // SEEDS)
    ]
    suite = {
        "schema_version": 1,
        "name": "race",
        "version": 1,
        "summary": "Captions of faces.",
        "prompts": prompts,
    }
    for name, text in (
        ("recipes/race.yaml", RECIPE.format(images=images)),
        ("prompts/suites/race.yaml", json.dumps(suite)),
        ("prompts/benchmarks/race-v1.yaml", BENCHMARK),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def work(store: Path, executor: str, processes: int = 2) -> None:
    """Do the whole job but training; the working directory holds its pages."""
    workspace = harness.Workspace(store, store / "reports", "cpu", executor, processes=processes)
    settings = workspace.settings()
    plan = _plan()
    make_all(plan, [step for step in plan.steps if not settings.store.has(step)], settings)
    execute(plan, settings)


def _plan() -> RunPlan:
    return requested("race", "race-v1").plan()


def lap(folder: Path, trained: Path, executor: str, moments: tuple[str, ...] = ()) -> Lap:
    """Run the job in a fresh store; at each moment, a glob of the store, kill a worker of it."""
    store = folder / f"store-{executor}-{len(moments)}"
    shutil.copytree(trained, store)
    began = time.monotonic()
    command = [sys.executable, __file__, "--work", str(store), "--executor", executor]
    with (folder / f"{store.name}.log").open("w") as log:
        child = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=_environment())
        killed = _kill(child, store, moments)
        assert child.wait(3000) == 0, (folder / f"{store.name}.log").read_text()[-3000:]
    return Lap(time.monotonic() - began, killed, made_by(store))


def _environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def _kill(child: subprocess.Popen[bytes], store: Path, moments: tuple[str, ...]) -> int:
    """Kill a worker, as a power cut would, at each moment: when the store holds what it names."""
    left = list(moments)
    while child.poll() is None and left:
        for moment in left[:]:
            if any(store.glob(moment)) and _kill_one(child):
                left.remove(moment)
                time.sleep(2)  # for another to come
        time.sleep(0.02)
    return len(moments) - len(left)


def _kill_one(child: subprocess.Popen[bytes]) -> bool:
    for each in _below(child.pid):
        with suppress(psutil.Error):  # it may be gone by now
            if " ".join(each.cmdline()).startswith("ray::Worker.do"):
                each.kill()
                return True
    return False


def _below(process: int) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return psutil.Process(process).children(recursive=True)
    return []


def made_by(store: Path) -> dict[str, dict[str, str]]:
    """Return the files of every finished artifact with their digests, by key."""
    manifests = [json.loads(file.read_text()) for file in store.glob("*/??/*/manifest.json")]
    return {each["key"]: each["files"] for each in manifests}


MOMENTS = (
    "work/*/latents-*.safetensors",
    "work/*/images/p00001_*.png",
    "work/*/scratch-rows-*.safetensors",
)
"""In the middle of encoding, of drawing, and of looking."""


def race(images: int, folder: Path, say: Callable[[str], None] = print) -> Raced:
    """Run the job three times and compare what it left."""
    write_pages(folder, images)
    trained = folder / "trained"
    command = [sys.executable, __file__, "--train", str(trained)]
    subprocess.run(command, cwd=folder, env=_environment(), check=True, capture_output=True)
    local = lap(folder, trained, "local")
    say(f"local, two processes: {local.seconds:.1f} s")
    ray = lap(folder, trained, "ray")
    say(f"ray, two workers: {ray.seconds:.1f} s")
    killed = lap(folder, trained, "ray", MOMENTS)
    say(f"ray, {killed.killed} workers killed: {killed.seconds:.1f} s")
    return Raced(
        images=images,
        local_seconds=round(local.seconds, 1),
        ray_seconds=round(ray.seconds, 1),
        overhead=round(ray.seconds / local.seconds - 1, 4),
        artifacts=len(local.files),
        same=local.files == ray.files,
        killed=killed.killed,
        killed_seconds=round(killed.seconds, 1),
        same_after_kills=local.files == killed.files,
    )


def train(store: Path) -> None:
    """Train the job's adapter and keep nothing else."""
    folder = harness.train(
        "race", workspace=harness.Workspace(store / "all", store, "cpu", quiet=True)
    )
    kept = store / folder.relative_to(store / "all")
    kept.parent.mkdir(parents=True)
    folder.rename(kept)
    shutil.rmtree(store / "all")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--executor", default="local", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.work:
        return work(asked.work, asked.executor)
    if asked.train:
        return train(asked.train)
    with tempfile.TemporaryDirectory() as folder:
        found = race(asked.images, Path(folder), lambda text: print(text, file=sys.stderr))
    print(json.dumps(asdict(found), indent=1))


if __name__ == "__main__":
    main()
