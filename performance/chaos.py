"""Disturb runs in every way that a machine knows, and hold what comes of it against a calm run.

    python performance/chaos.py --minutes 30
    python performance/chaos.py --kinds kill,full --trials 40 --out /tmp/chaos

A trial stops, starves or damages a run of seconds on the pocket world, lets it go on, and compares
the digest of every file that was made. Each trial is one line of `trials.jsonl` in `--out`; the
same command goes on where it stopped. Stages are chosen before moments, so that short stages are
hit as often as long ones. The exit code is 1 where digests differ or something is lost unnamed.

Disks are filled on a small tmpfs; a user who may not mount one gets a limit on the size of files.
The clock is that of Python (`time.time`), and files of the store are dated to tomorrow.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads do not survive a fork

from havoc import crowds, disks, flips, kills
from havoc.children import load_libraries
from havoc.trial import Trial, log_of
from havoc.world import PAGES, Place, World

Line = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """One way to disturb a run, and how often it is taken beside the others."""

    disturb: Callable[[World, Trial], None]
    share: int
    stages: Callable[[World], Sequence[str]] = lambda world: [""]
    means: Sequence[str] = ("",)


def _stages(world: World) -> list[str]:
    return world.stages


def _shared_stages(world: World) -> list[str]:
    return ["train", "sample"]


KINDS = {
    "kill": Kind(kills.kill, 12, kills.stages, tuple(kills.SIGNALS)),
    "walk": Kind(kills.walk, 1),
    "team": Kind(kills.team, 0, _shared_stages, ("SIGKILL",)),
    "full": Kind(disks.full, 4, _stages),
    "read-only": Kind(disks.read_only, 1, means=("whole", "part")),
    "clock": Kind(disks.backwards, 1, _stages),
    "writers": Kind(crowds.writers, 1, means=("2", "5")),
    "gc": Kind(crowds.gc, 1),
    "gc killed": Kind(crowds.gc_killed, 1),
    "transfer": Kind(crowds.transfer, 1),
    "flip": Kind(flips.flip, 4, means=(*flips.TARGETS, *flips.BESIDE)),
}
"""Every kind. `team` starts processes that import torch, so it is taken only where it is named."""
BAD = ("difference", "loss")


def main() -> int:
    asked = _arguments()
    out: Path = asked.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    os.chdir(PAGES)
    load_libraries()
    world, file = World(out), out / "trials.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    deadline = time.monotonic() + 60 * asked.minutes
    for _ in range(asked.trials):
        if time.monotonic() > deadline:
            break
        trial = next_trial(world, out, lines, asked)
        lines.append(perform(world, trial))
        with file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(lines[-1], ensure_ascii=False) + "\n")
        print(told(lines[-1]), flush=True)
    print(summary(world, lines))
    return int(any(line["verdict"] in BAD for line in lines))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=30.0, help="when to begin no more trials")
    parser.add_argument("--trials", type=int, default=10_000, help="how many more at most")
    parser.add_argument("--kinds", default="", help=f"some of: {', '.join(KINDS)}")
    parser.add_argument("--out", type=Path, default=Path(".harness/chaos"), metavar="DIR")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    asked.kinds = [word for word in asked.kinds.split(",") if word] or [
        word for word, kind in KINDS.items() if kind.share
    ]
    unknown = set(asked.kinds) - set(KINDS)
    if unknown:
        parser.error(f"there is no kind {min(unknown)!r}: {', '.join(KINDS)}")
    return asked


def next_trial(world: World, out: Path, lines: Sequence[Line], asked: argparse.Namespace) -> Trial:
    """Return the trial that is most behind its share: of kinds first, then of stage and means."""
    done = Counter(line["kind"] for line in lines)
    kind = min(asked.kinds, key=lambda word: (done[word] + 1) / max(1, KINDS[word].share))
    cells = Counter(_cell(line) for line in lines if line["kind"] == kind)
    dice = random.Random(f"{asked.seed}:{len(lines)}")
    choices = [(stage, means) for stage in KINDS[kind].stages(world) for means in KINDS[kind].means]
    stage, means = min(dice.sample(choices, len(choices)), key=lambda cell: cells[cell])
    place = Place(out / f"trial-{len(lines):05d}")
    return Trial(len(lines), kind, place, dice, stage, means)


def _cell(line: Line) -> tuple[str, str]:
    """Return the stage of a trial, where a stop fell if that is another, and its means."""
    return line["landed"][0] if line["kind"] == "kill" else line["stage"], line["means"]


def perform(world: World, trial: Trial) -> Line:
    """Perform a trial and return its line; what a bad one left stays for a look."""
    root = trial.place.root
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    began = time.monotonic()
    KINDS[trial.kind].disturb(world, trial)
    line = {**trial.document(), "seconds": round(time.monotonic() - began, 1)}
    if trial.verdict in BAD or trial.raw:
        root.with_suffix(".log").write_text(log_of(trial), encoding="utf-8")
    for child in trial.children:
        child.log.unlink(missing_ok=True)
    if trial.verdict not in BAD:
        shutil.rmtree(root)
        shutil.rmtree(root.with_name(f"{root.name}-reports"), ignore_errors=True)
    return line


def told(line: Line) -> str:
    what = " ".join(filter(None, (line["kind"], line["stage"], line["means"])))
    where, raw = ", ".join(line["landed"]), "  RAW" if line["raw"] else ""
    verdict = line["verdict"].upper() if line["verdict"] in BAD else line["verdict"]
    return f"{line['number']:>4}  {what:<28} → {where:<22} {verdict}{raw}  {line['detail'][:200]}"


def summary(world: World, lines: Sequence[Line]) -> str:
    """Return how many stops fell into which stage, and how each kind ended."""
    stops = Counter(
        (landed, line["means"] if line["kind"] == "kill" else line["kind"])
        for line in lines
        if line["kind"] in ("kill", "walk", "team")
        for landed in line["landed"]
        if landed != "after"
    )
    columns = [*kills.SIGNALS, "walk", "team"]
    rows = [f"{'stops by stage':<16}" + "".join(f"{each:>14}" for each in (*columns, "all"))]
    for stage in kills.stages(world):
        counts = [stops[stage, column] for column in columns]
        rows.append(f"{stage:<16}" + "".join(f"{each:>14}" for each in (*counts, sum(counts))))
    rows += [f"{'all':<16}" + f"{sum(stops.values()):>{14 * (len(columns) + 1)}}", ""]
    verdicts = ("equal", "named", "missed", *BAD)
    rows.append(f"{'kind':<16}" + "".join(f"{each:>12}" for each in (*verdicts, "raw errors")))
    for kind in KINDS:
        own = [line for line in lines if line["kind"] == kind]
        counts = [sum(line["verdict"] == verdict for line in own) for verdict in verdicts]
        counts.append(sum(line["raw"] for line in own))
        rows.append(f"{kind:<16}" + "".join(f"{each:>12}" for each in counts))
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
