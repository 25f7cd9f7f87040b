"""Our training beside the official script, and beside the floor that no trainer goes below.

    python performance/training_race.py [SCRIPT]

SCRIPT is train_text_to_image_lora_sdxl.py, as it is in huggingface/diffusers;
HARNESS_OFFICIAL_SCRIPT may name it too. Without it our own figures and the floor are measured,
and no ratio. All train the pocket base on the same pictures, batch, steps and CPU, each in a
process of its own and from nothing: no cache and no store is left from an earlier run. One
stopwatch reads all, by when each says that it has come to a step. Beside other work,
OMP_NUM_THREADS=1 keeps them from waiting for cores.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ledger import Figure, keep

from harness.pocket import locate
from harness.pocket.world import row

PICTURES = 256
RESOLUTION = 64
SETTLED = 10
"""Steps that do not count for the steady rate."""
SHAPES = ((4, 2), (1, 8))
"""Batch and accumulation of the official recipes at 256 and at 1024 pixels."""
TARGETS = {(4, 2): (2.2, 2.0), (1, 8): (5.0, 3.0)}
"""How many times as fast as the script: steadily, and 60 steps from nothing."""
SCRIPT = "HARNESS_OFFICIAL_SCRIPT"
BARE = Path(__file__).with_name("bare_training.py")
NO_GARBAGE = """\
import gc, runpy, sys
gc.disable()
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Runs a script that looks for no garbage, as our own imports do not: else it would be no floor."""

PAGE = """\
schema_version: 1
name: race
summary: The official script's figures.
base: {{model: pocket/sdxl}}
data: {{source: {{use: folder, path: {pictures}}}}}
train:
  method: lora
  adapter: {{rank: 16}}
  resolution: {resolution}
  flip: true
  batch: {batch}
  accumulation: {accumulation}
  optimizer: {{use: adamw, weight_decay: 1.0e-2}}
  phases: [{{steps: {steps}, rate: 1.0e-4, schedule: cosine}}]
  lr_schedule_unit: diffusers-legacy
  snr_gamma: 5.0
  noise_offset: 0.03
"""

TRAIN = """\
import sys
from dataclasses import replace
from pathlib import Path
import harness
from harness.pipeline.request import requested
from harness.pipeline.run import execute

class Bar:
    def begin(self, step, number, total): ...
    def end(self, step): ...
    def progress(self, step, progress):
        if step.stage == "train":
            print(f"{progress.done}/{progress.total} [", file=sys.stderr, flush=True)

def until_trained(steps, make):
    for step in steps:
        make(step)
        if step.stage == "train":
            raise SystemExit

page, store = sys.argv[1:]
settings = harness.Workspace(Path(store), Path(store) / "reports", device="cpu").settings()
execute(
    requested(page).plan(), replace(settings, executor=until_trained, watcher=Bar())
)
"""
"""What `harness run` does, up to and with training: an executor that stops there."""


@dataclass(frozen=True)
class Race:
    """What both sides are given."""

    script: Path | None
    pictures: Path
    batch: int
    accumulation: int
    steps: int


@dataclass(frozen=True)
class Process:
    """One process from its start to its end, and when it said to have come to which step."""

    seconds: float
    peak: float
    """Most memory at once, in MB."""
    reached: dict[int, float]

    def step(self, steps: int) -> float:
        """Return the seconds of a steady step."""
        return (self.reached[steps] - self.reached[SETTLED]) / (steps - SETTLED)


@dataclass(frozen=True)
class Run:
    """One training run."""

    step: float
    """Seconds of a steady step."""
    seconds: float
    peak: float
    split: str = ""
    """Where the seconds went, as far as it is known."""


def watch(command: Sequence[str], home: Path, steps: int) -> Process:
    """Run a command, with an empty Hugging Face cache in `home` and neither network nor GPU.

    This process stays small: a child's peak memory starts at that of its parent.
    """
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(home / "cache"), "CUDA_VISIBLE_DEVICES": ""}
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=home,
        env=os.environ | offline,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    reached, output = _follow(process, re.compile(rb"\b(\d+)/%d \[" % steps), began)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}\nended with {process.returncode}:\n{output[-3000:]}")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return Process(seconds, used.ru_maxrss / unit, reached)


def _follow(
    process: subprocess.Popen[bytes], bar: re.Pattern[bytes], began: float
) -> tuple[dict[int, float], str]:
    """Return the seconds until a progress bar first showed each step, and all that was said."""
    assert process.stdout is not None
    reached: dict[int, float] = {}
    output = b""
    while said := os.read(process.stdout.fileno(), 2**16):
        output += said
        for found in bar.findall(output[-len(said) - 32 :]):
            reached.setdefault(int(found), time.perf_counter() - began)
    return reached, output.decode(errors="replace")


def official(race: Race, home: Path) -> Run:
    """Run the script, which draws a progress bar."""
    assert race.script is not None
    command = [
        sys.executable,
        str(race.script),
        "--pretrained_model_name_or_path",
        locate("pocket/sdxl"),
        "--train_data_dir",
        str(race.pictures),
        "--output_dir",
        str(home / "output"),
        "--resolution",
        str(RESOLUTION),
        "--center_crop",
        "--random_flip",
        "--train_batch_size",
        str(race.batch),
        "--gradient_accumulation_steps",
        str(race.accumulation),
        "--max_train_steps",
        str(race.steps),
        "--rank",
        "16",
        "--learning_rate",
        "1e-4",
        "--lr_scheduler",
        "cosine",
        "--lr_warmup_steps",
        "0",
        "--snr_gamma",
        "5",
        "--noise_offset",
        "0.03",
        "--mixed_precision",
        "no",
        "--seed",
        "0",
    ]
    done = watch(command, home, race.steps)
    return Run(done.step(race.steps), done.seconds, done.peak)


def ours(race: Race, home: Path) -> Run:
    """Run our steps up to training; the store tells where its time went."""
    page, store = home / "race.yaml", home / "store"
    page.write_text(
        PAGE.format(
            pictures=race.pictures,
            resolution=RESOLUTION,
            batch=race.batch,
            accumulation=race.accumulation,
            steps=race.steps,
        ),
        encoding="utf-8",
    )
    done = watch([sys.executable, "-c", TRAIN, str(page), str(store)], home, race.steps)
    return Run(done.step(race.steps), done.seconds, done.peak, _split(store, done))


def _split(store: Path, done: Process) -> str:
    """Return where our seconds went: each step of the plan, and what was between them."""
    manifests = [json.loads(file.read_text("utf-8")) for file in store.glob("*/*/*/manifest.json")]
    seconds = {each["stage"]: each["provenance"]["seconds"] for each in manifests}
    (train,) = (each for each in manifests if each["stage"] == "train")
    inside = train["provenance"]["time_split"]
    imports = sum(each["provenance"]["import_seconds"] for each in manifests)
    others = done.seconds - imports - sum(seconds.values())
    return (
        f"{imports:.1f} s imports of stages, {others:.1f} s others and planning, "
        + "".join(f"{seconds[stage]:.1f} s {stage}, " for stage in ("data", "texts", "latents"))
        + f"{inside['models']:.1f} s models, {inside['unet']:.1f} s UNet, "
        + f"{inside['data'] + inside['optimizer']:.1f} s other work of steps"
    )


def bare(race: Race, home: Path) -> Run:
    """Run the floor: the same networks and passes, and nothing else."""
    samples = str(race.batch * race.accumulation)
    words = [locate("pocket/sdxl"), str(race.pictures), samples, str(race.steps)]
    done = watch([sys.executable, "-c", NO_GARBAGE, str(BARE), *words], home, race.steps)
    return Run(done.step(race.steps), done.seconds, done.peak)


def draw(folder: Path) -> None:
    """Fill a folder with ninjas and their captions, as both sides read them."""
    folder.mkdir()
    lines = []
    for number in range(PICTURES):
        ninja = row("ninja", number)
        ninja.image(RESOLUTION).save(folder / f"{number:04d}.png")
        lines.append(json.dumps({"file_name": f"{number:04d}.png", "text": ninja.caption}))
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def repeat(race: Race, runs: int) -> dict[str, list[Run]]:
    """Return the runs of every side, which take turns so that other load meets all of them."""
    sides: dict[str, Callable[[Race, Path], Run]] = {"ours": ours, "bare": bare}
    if race.script is not None:
        sides = {"official": official, **sides}
    done: dict[str, list[Run]] = {name: [] for name in sides}
    for _ in range(runs):
        for name, run in sides.items():
            with tempfile.TemporaryDirectory() as home:
                done[name].append(run(race, Path(home)))
    return done


def figures(race: Race, done: dict[str, list[Run]]) -> Iterator[Figure]:
    """Yield our own seconds beside the floor, and the ratios where the script was run."""
    shape = f"{race.batch} × {race.accumulation}"
    own, floor = done["ours"], done["bare"]
    whole = f"whole {shape}, {race.steps} steps"
    yield Figure(
        f"a step {shape}",
        runs=[1e3 * run.step for run in own],
        unit="ms",
        floor=1e3 * statistics.median(run.step for run in floor),
        against="the floor: the bare UNet both ways",
    )
    yield Figure(
        f"{whole}, seconds",
        runs=[run.seconds for run in own],
        floor=statistics.median(run.seconds for run in floor),
        against="the floor: imports, networks, each picture and text once, the bare UNet",
        why=own[-1].split,
    )
    yield Figure(f"peak memory {shape}", runs=[run.peak for run in own], unit="MB")
    theirs = done.get("official", [])
    for name, of, target in zip(
        (f"steady {shape}", whole),
        (lambda run: run.step, lambda run: run.seconds),
        TARGETS[race.batch, race.accumulation],
        strict=True,
    ):
        if theirs:
            yield Figure(
                name,
                runs=[of(one) / of(other) for one, other in zip(theirs, own, strict=True)],
                unit="×",
                better="higher",
                target=target,
                against=f"the official script: {statistics.median(map(of, theirs)):.3g} s",
                why=own[-1].split,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description="Race the official LoRA script for SDXL.")
    named = os.environ.get(SCRIPT)
    parser.add_argument(
        "script",
        type=Path,
        nargs="?",
        default=Path(named) if named else None,
        help=f"train_text_to_image_lora_sdxl.py; without it {SCRIPT}, or no ratio",
    )
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--repeat", type=int, default=3)
    words = parser.parse_args()
    if words.steps <= SETTLED or words.repeat < 1:
        parser.error(f"needs more than {SETTLED} steps and 1 run or more")
    if words.script is not None and not words.script.is_file():
        parser.error(f"there is no script {words.script}")
    subprocess.run([sys.executable, "-c", "import diffusers.loaders, peft"], check=True)
    found: list[Figure] = []
    with tempfile.TemporaryDirectory() as scratch:
        pictures = Path(scratch) / "pictures"
        draw(pictures)
        script = words.script.resolve() if words.script else None
        for batch, accumulation in SHAPES:
            race = Race(script, pictures, batch, accumulation, words.steps)
            found += figures(race, repeat(race, words.repeat))
    keep("training_race", found)


if __name__ == "__main__":
    main()
