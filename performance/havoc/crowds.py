"""Several commands in one store: runs beside runs, `gc` beside runs, transfers that are cut."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from .children import Child, ended
from .trial import Trial
from .world import RECIPES, Place, World


def writers(world: World, trial: Trial) -> None:
    """Let two or five runs make the same and neighbouring recipes; one of them is killed."""
    count = int(trial.means)
    children = []
    for number in range(count):
        recipes = RECIPES if number % 3 == 2 else (RECIPES[number % 2],)
        children.append(trial.start(trial.place.run(*recipes)))
        time.sleep(trial.dice.uniform(0, 0.5))
    with ended(*children):
        time.sleep(trial.dice.uniform(0, 4.0))
        unlucky = trial.dice.choice(children)
        unlucky.send(signal.SIGKILL)
        for child in children:
            code = trial.end(child)
            if child is not unlucky and code != 0:
                trial.fail("loss", f"a writer failed: {child.said[-400:]}")
    trial.landed.append(f"{sum('waits for' in child.said for child in children)} waited")
    trial.go_on(world, RECIPES)


def gc(world: World, trial: Trial) -> None:
    """Start `gc` again and again beside a run, from before its first step to its end."""
    world.seed(trial.place, world.steps[: trial.dice.randrange(len(world.steps))])
    wanted = {step.key for step in world.steps}
    extra = [step for step in world.plans[RECIPES[1]].steps if step.key not in wanted]
    world.seed(trial.place, extra)
    run = trial.start(trial.place.run())
    collectors: list[Child] = []
    with ended(run):
        while run.poll() is None and len(collectors) < 8:
            time.sleep(trial.dice.uniform(0, 0.6))
            collectors.append(trial.start(("gc", *trial.place.flags, "--no-wait")))
            trial.end(collectors[-1])
        waiting = trial.start(("gc", *trial.place.flags))
        if trial.end(run) != 0:
            trial.fail("loss", f"the run failed beside gc: {run.said[-400:]}")
        if trial.end(waiting) != 0:
            trial.fail("loss", f"gc failed: {waiting.said[-400:]}")
    refused = [child for child in collectors if child.code == 1]
    trial.landed.append(f"{len(refused)} of {len(collectors)} refused")
    if any("is in use" not in child.said for child in refused):
        trial.fail("loss", f"gc failed: {refused[0].said[-300:]}")
    trial.compare(world)
    if any((trial.place.store / step.stage / step.key[:2] / step.key).exists() for step in extra):
        trial.fail("loss", "gc left what no result names")


def gc_killed(world: World, trial: Trial) -> None:
    """Kill `gc` while it removes artifacts that the next run wants."""
    world.seed(trial.place, world.steps)
    collector = trial.start(("gc", *trial.place.flags))
    before = _files(trial.place.store)
    while collector.poll() is None and _files(trial.place.store) >= before:
        time.sleep(0.001)
    time.sleep(trial.dice.uniform(0, 0.01))
    collector.send(signal.SIGKILL)
    trial.end(collector)
    trial.landed.append(f"{_files(trial.place.store)} of {before} files left")
    trial.go_on(world, all_steps=False)


def _files(folder: Path) -> int:
    """Return how many files there are, although some may go at this very moment."""
    names = [name for _, _, names in os.walk(folder) for name in names]
    return sum(not name.endswith((".note", ".lock")) for name in names)


def transfer(world: World, trial: Trial) -> None:
    """Kill a push and a pull on their way, repeat them, and run on what arrived."""
    there, back = trial.place.root / "there", Place(trial.place.root / "back")
    pushed = ("store", "push", there, *world.golden.flags)
    pulled = ("store", "pull", there, *back.flags)
    for words in (pushed, pulled):
        child = trial.start(words)
        time.sleep(trial.dice.uniform(0, 0.5))
        child.send(signal.SIGKILL)
        trial.end(child)
        trial.landed.append("after" if child.code == 0 else words[1])
        again = trial.start(words)
        if trial.end(again) != 0:
            trial.fail("loss", f"cannot go on: {again.said[-300:]}")
            return
    trial.place = back
    trial.compare(world)
    trial.go_on(world)
