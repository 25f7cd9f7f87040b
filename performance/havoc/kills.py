"""Stops of a run: the stage is chosen first, then a moment within it."""

from __future__ import annotations

import json
import os
import signal
import time

from harness.pipeline.store.local import Store
from harness.records import Step

from .children import Child
from .trial import Trial
from .world import Place, World

START, RESULT = "planning", "result"
"""What a run does before its first step and after its last one."""
SIGNALS: dict[str, tuple[int, ...]] = {
    "SIGKILL": (signal.SIGKILL,),
    "SIGTERM": (signal.SIGTERM,),
    "Ctrl-C twice": (signal.SIGINT, signal.SIGINT),
}
SHARE = 0.4
"""A stop falls into this first part of a step, which may be quicker than it was undisturbed."""
GAP = 0.15
"""At most so many seconds lie between the two of a double Ctrl-C."""


def stages(world: World) -> list[str]:
    return [START, *world.stages, RESULT]


def kill(world: World, trial: Trial) -> None:
    """Stop a run in the stage of the trial, and let the same command go on."""
    step = _step(world, trial, trial.stage)
    _seed(world, trial, step)
    trial.landed.append(stop(world, trial, step, trial.means))
    trial.compare(world, whole=False)
    trial.go_on(world)
    if trial.landed[0] != trial.stage and trial.verdict == "equal":
        trial.detail = f"aimed at {trial.stage}"


def walk(world: World, trial: Trial) -> None:
    """Stop one run again and again, in every stage that it comes to."""
    for stage in stages(world):
        if trial.verdict != "equal":
            return
        left = [step for step in world.missing(trial.place) if step.stage == stage]
        step = left[0] if left else None
        if step or not world.steps_of(stage):
            trial.landed.append(stop(world, trial, step, trial.dice.choice(list(SIGNALS))))
            trial.compare(world, whole=False)
    trial.go_on(world)


def _step(world: World, trial: Trial, stage: str) -> Step | None:
    steps = world.steps_of(stage)
    return trial.dice.choice(steps) if steps else None


def _seed(world: World, trial: Trial, step: Step | None) -> None:
    """Give the store what a run to this moment would have made."""
    if step is not None:
        world.seed(trial.place, world.steps[: world.steps.index(step)])
    elif trial.stage == RESULT:
        world.seed(trial.place, world.steps)


def stop(world: World, trial: Trial, step: Step | None, means: str) -> str:
    """Start the run, stop it in a step or beside all steps, and return where that fell."""
    child = trial.start(trial.place.run())
    began = _wait_for(child, trial.place, step)
    longest = 0.3 if step is None else SHARE * world.seconds(step)
    time.sleep(trial.dice.uniform(0, longest))
    first, *second = SIGNALS[means]
    child.send(first)
    for number in second:
        time.sleep(trial.dice.uniform(0, GAP))
        child.send(number)
    code = trial.end(child)
    if code == 0:
        return "after"
    return _landed(world, trial.place, step if began else None)


def _wait_for(child: Child, place: Place, step: Step | None) -> bool:
    """Wait until a run says that it is at a step; return whether it did."""
    if step is None:
        return False
    file = place.store / "live" / f"{step.key}.json"
    while not file.exists():
        if child.poll() is not None:
            return False
        time.sleep(0.001)
    return True


def _landed(world: World, place: Place, step: Step | None) -> str:
    """Return the stage in which a run was stopped, by what is not there."""
    if step is not None and not Store(place.store).has(step):
        return step.stage
    missing = world.missing(place)
    if not missing:
        return RESULT
    begun = list((place.store / "work").glob("*")) + list((place.store / "live").glob("*.json"))
    return missing[0].stage if begun or len(missing) < len(world.steps) else START


def team(world: World, trial: Trial) -> None:
    """Kill a run whose step two processes share, and go on at once, while these may live on."""
    step = _step(world, trial, trial.stage)
    assert step is not None
    _seed(world, trial, step)
    child = trial.start((*trial.place.run(), "--processes", 2))
    _wait_for(child, trial.place, step)
    while child.poll() is None and _moved(trial.place, step) < 1:
        time.sleep(0.01)
    time.sleep(trial.dice.uniform(0, world.seconds(step)))
    os.kill(child.pid, signal.SIGKILL)
    trial.end(child)
    trial.landed.append(_landed(world, trial.place, step))
    trial.go_on(world)


def _moved(place: Place, step: Step) -> int:
    """Return how far a step says that it has come."""
    try:
        text = (place.store / "live" / f"{step.key}.json").read_text(encoding="utf-8")
        return int(json.loads(text)["done"])
    except (OSError, ValueError):
        return 0
