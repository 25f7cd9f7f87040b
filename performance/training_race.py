"""Our training against the official script: `python performance/training_race.py SCRIPT`.

SCRIPT is train_text_to_image_lora_sdxl.py, as it is in huggingface/diffusers. Both train the
pocket base on the same pictures, batch, steps and CPU, each in a process of its own and from
nothing: no cache and no store is left from an earlier run. One stopwatch reads both, by when
each says that it has come to a step. It prints medians and is no test: machines differ, and
noise is no failure. Beside other work, OMP_NUM_THREADS=1 keeps both from waiting for cores.
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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.pocket import locate
from harness.pocket.world import row

PICTURES = 256
RESOLUTION = 64
SETTLED = 10
"""Steps that do not count for the steady rate."""
SHAPES = ((4, 2), (1, 8))
"""Batch and accumulation of the official recipes at 256 and at 1024 pixels."""

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

    script: Path
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

    def rate(self, steps: int) -> float:
        """Return the steady number of steps a second."""
        return (steps - SETTLED) / (self.reached[steps] - self.reached[SETTLED])


@dataclass(frozen=True)
class Run:
    """One training run."""

    rate: float
    """Optimizer steps a second, once it runs steadily."""
    seconds: float
    peak: float
    outside: float | None = None
    """The share of all steps that is not the UNet's forward and backward, as far as it is known."""


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
    reached, output = _follow(process, re.compile(rb"\b(\d+)/%d \[" % steps))
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}\nended with {process.returncode}:\n{output[-3000:]}")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return Process(seconds, used.ru_maxrss / unit, reached)


def _follow(
    process: subprocess.Popen[bytes], bar: re.Pattern[bytes]
) -> tuple[dict[int, float], str]:
    """Return when a progress bar first showed each step, and all that was said."""
    assert process.stdout is not None
    reached: dict[int, float] = {}
    output = b""
    while said := os.read(process.stdout.fileno(), 2**16):
        output += said
        for found in bar.findall(output[-len(said) - 32 :]):
            reached.setdefault(int(found), time.perf_counter())
    return reached, output.decode(errors="replace")


def official(race: Race, home: Path) -> Run:
    """Run the script, which draws a progress bar."""
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
    return Run(done.rate(race.steps), done.seconds, done.peak)


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
    (manifest,) = store.glob("train/*/*/manifest.json")
    facts = json.loads(manifest.read_text(encoding="utf-8"))
    log = (store / "logs" / f"{facts['key']}.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(log) == race.steps, f"the log has {len(log)} lines for {race.steps} steps"
    spent = sum(json.loads(line)["seconds"] for line in log)
    outside = 1 - facts["provenance"]["time_split"]["unet"] / spent
    return Run(done.rate(race.steps), done.seconds, done.peak, outside)


def draw(folder: Path) -> None:
    """Fill a folder with ninjas and their captions, as both sides read them."""
    folder.mkdir()
    lines = []
    for number in range(PICTURES):
        ninja = row("ninja", number)
        ninja.image(RESOLUTION).save(folder / f"{number:04d}.png")
        lines.append(json.dumps({"file_name": f"{number:04d}.png", "text": ninja.caption}))
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def repeat(race: Race, runs: int) -> tuple[list[Run], list[Run]]:
    """Return the runs of both sides, which take turns so that other load meets both."""
    sides: tuple[list[Run], list[Run]] = ([], [])
    for _ in range(runs):
        for side, run in zip(sides, (official, ours), strict=True):
            with tempfile.TemporaryDirectory() as home:
                side.append(run(race, Path(home)))
    return sides


def compare(what: str, theirs: Sequence[float], own: Sequence[float], more_is_better: bool) -> None:
    """Print a line; a ratio above 1 speaks for us."""
    ratio = statistics.median(theirs) / statistics.median(own)
    ratio = 1 / ratio if more_is_better else ratio
    print(f"  {what:<32}{_spread(theirs):>28}{_spread(own):>28}{ratio:>9.2f}×")


def _spread(values: Sequence[float]) -> str:
    low, middle, high = (f(values) for f in (min, statistics.median, max))
    return f"{middle:.4g} ({low:.4g}–{high:.4g})"


def report(race: Race, theirs: Sequence[Run], own: Sequence[Run]) -> None:
    print(f"batch {race.batch} × {race.accumulation}")
    lines: tuple[tuple[str, Callable[[Run], float], bool], ...] = (
        ("steps a second, steady", lambda run: run.rate, True),
        (f"seconds of {race.steps} steps, all in all", lambda run: run.seconds, False),
        ("peak memory, MB", lambda run: run.peak, False),
    )
    for what, of, more_is_better in lines:
        compare(what, [of(run) for run in theirs], [of(run) for run in own], more_is_better)
    outside = [100 * run.outside for run in own if run.outside is not None]
    print(f"  {'% of a step outside the UNet':<32}{'':>28}{_spread(outside):>28}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Race the official LoRA script for SDXL.")
    parser.add_argument("script", type=Path, help="train_text_to_image_lora_sdxl.py")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--repeat", type=int, default=3)
    words = parser.parse_args()
    if words.steps <= SETTLED or words.repeat < 1 or not words.script.is_file():
        parser.error(f"needs a script that is there, more than {SETTLED} steps and 1 run or more")
    subprocess.run([sys.executable, "-c", "import diffusers.loaders, peft"], check=True)
    load = os.getloadavg()[0]
    print(f"{words.repeat} runs each, {os.cpu_count()} cores, load {load:.2f}; median (low–high)")
    print(f"  {'':<32}{'official':>28}{'ours':>28}{'for us':>10}")
    with tempfile.TemporaryDirectory() as scratch:
        pictures = Path(scratch) / "pictures"
        draw(pictures)
        for batch, accumulation in SHAPES:
            race = Race(words.script.resolve(), pictures, batch, accumulation, words.steps)
            report(race, *repeat(race, words.repeat))


if __name__ == "__main__":
    main()
