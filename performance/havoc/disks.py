"""Disks that are full or only for reading, and clocks that run backwards."""

from __future__ import annotations

import os
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .trial import Trial
from .world import Place, World

ROOM = 64 * 2**20
"""Bytes of the small disk."""
BLOCK = 4096
DAY = 86_400.0


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Mount a disk of `ROOM` at a folder; yield whether we may."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(folder)]
    mounted = subprocess.run(words, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def full(world: World, trial: Trial) -> None:
    """Let the disk be full in the stage of the trial; then give it room, and go on."""
    step = trial.dice.choice(world.steps_of(trial.stage))
    with small_disk(trial.place.root) as mounted:
        world.seed(trial.place, world.steps[: world.steps.index(step)])
        room = trial.dice.randrange(0, max(BLOCK, world.size(step)))
        if mounted:
            ballast = _fill(trial.place.root, room)
            child = trial.start(trial.place.run())
        else:
            trial.means = "files no longer than"
            child = trial.start(trial.place.run(), lambda: _limit(max(BLOCK, room // 4)))
        code = trial.end(child)
        missing = world.missing(trial.place)
        trial.landed.append("after" if code == 0 else missing[0].stage if missing else "result")
        if code != 0 and not _is_about_room(child.said):
            trial.fail("loss", f"no word of the full disk: {child.said[-300:]}")
        trial.compare(world, whole=False)
        if mounted:
            ballast.unlink()
        trial.go_on(world)


def _fill(folder: Path, room: int) -> Path:
    """Write a file that leaves so many bytes of the disk, in whole blocks."""
    ballast = folder / "ballast"
    free = os.statvfs(folder).f_bavail * BLOCK - room // BLOCK * BLOCK
    with ballast.open("wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, free)
    return ballast


def _limit(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def _is_about_room(said: str) -> bool:
    words = ("is full", "No space left", "File too large", "larger than")
    return any(word in said for word in words)


def read_only(world: World, trial: Trial) -> None:
    """Read a store that nobody may write, and be told where a run would have to."""
    with small_disk(trial.place.root) as mounted:
        if not mounted:
            trial.fail("missed", "this user may mount nothing")
            return
        cut = trial.dice.randrange(len(world.steps))
        elsewhere = Place(trial.place.root.parent / f"{trial.place.root.name}-reports")
        world.seed(trial.place, world.steps if trial.means == "whole" else world.steps[:cut])
        world.seed_result(trial.place)
        _remount(trial.place.root, "ro")
        words = ("--store", trial.place.store, "--reports", elsewhere.reports)
        child = trial.start(("run", "chaos", "--benchmark", "chaos-v1", *words))
        code = trial.end(child)
        if (code == 0) != (trial.means == "whole"):
            trial.fail("loss", f"exit {code}: {child.said[-300:]}")
        if code != 0 and "ead-only" not in child.said:
            trial.fail("loss", f"no word of the read-only store: {child.said[-300:]}")
        if trial.means == "whole":
            verified = trial.start(("verify", trial.place.result(), *trial.place.flags[:2]))
            if trial.end(verified) != 0:
                trial.fail("loss", verified.said[-300:])
        _remount(trial.place.root, "rw")
        trial.landed.append("" if trial.means == "whole" else world.steps[cut].stage)
        trial.go_on(world)


def _remount(folder: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)


def backwards(world: World, trial: Trial) -> None:
    """Let the clock jump back a day in a run, whose files were made tomorrow; stop it, go on."""
    step = trial.dice.choice(world.steps_of(trial.stage))
    world.seed(trial.place, world.steps[: world.steps.index(step)])
    tomorrow = time.time() + DAY
    for file in trial.place.store.rglob("*"):
        os.utime(file, (tomorrow, tomorrow))
    after = trial.dice.uniform(0, 2 * world.seconds(step))
    child = trial.start(trial.place.run(), lambda: _turn_back(after))
    time.sleep(trial.dice.uniform(0.2, 4.0))
    child.send(9)
    trial.end(child)
    trial.landed.append(trial.stage)
    again = trial.start(trial.place.run(), lambda: _turn_back(0.0))
    if trial.end(again) != 0:
        trial.fail("loss", again.said[-300:])
    trial.compare(world)


def _turn_back(after: float) -> None:
    """Let the clock of this process jump back by a day after so many seconds."""
    true, jump = time.time, time.monotonic() + after
    time.time = lambda: true() - DAY * (time.monotonic() >= jump)
