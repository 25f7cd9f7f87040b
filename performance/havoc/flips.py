"""One bit of a cached file turned over: the run names the file, or is not touched by it."""

from __future__ import annotations

import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from harness.pipeline.store.local import MANIFEST

from .trial import Trial
from .world import Place, World


@dataclass(frozen=True)
class Target:
    """Where files of a kind lie below the store, and the stage whose run reads them."""

    pattern: str
    reader: str


TARGETS = {
    "pictures": Target("data/*/*/images/*.png", "latents"),
    "index": Target("data/*/*/index.jsonl", "texts"),
    "texts": Target("texts/*/*/*.*", "train"),
    "latents": Target("latents/*/*/latents-*.safetensors", "train"),
    "adapter": Target("train/*/*/adapter.safetensors", "sample"),
    "images": Target("sample/*/*/images/*.png", "features"),
    "features": Target("features/*/*/features.safetensors", "score"),
    "rows": Target("rows/*.sqlite", "features"),
    "manifest": Target("*/??/*/manifest.json", "sample"),
    "scores": Target("score/*/*/scores.json", "result"),
    "tables": Target("score/*/*/*.parquet", "result"),
    "state": Target("work/*/scratch-state.safetensors", "train"),
}
BESIDE = {
    "result": ".json",
    "tables of a result": ".prompts.parquet",
    "album of a result": ".album.zip",
}
"""Files of a result, which `verify` has to name."""


def flip(world: World, trial: Trial) -> None:
    """Damage a file of the trial's kind; whatever reads it names it, or makes the same as ever."""
    if trial.means in BESIDE:
        return _flip_beside(world, trial)
    target = TARGETS[trial.means]
    trial.landed.append(target.reader)
    steps = world.steps_of(target.reader)
    cut = world.steps.index(steps[0]) if steps else len(world.steps)
    world.seed(trial.place, world.steps[:cut], rows=trial.means == "rows")
    if trial.means == "state":
        _leave_state(trial)
    files = sorted(trial.place.store.glob(target.pattern))
    if trial.means != "manifest":
        files = [file for file in files if file.name != MANIFEST]
    if not files:
        return trial.fail("missed", f"no {target.pattern}")
    file = trial.dice.choice(files)
    _turn_a_bit(trial, file)
    child = trial.start(trial.place.run())
    code = trial.end(child)
    if code != 0:
        _mend(world, trial, file, child.said)
    elif trial.means == "rows" and "cached features were damaged" in child.said:
        # What is made again is not in its old batch, and a network may round otherwise there.
        trial.verdict = "named"
    else:
        _judge(world, trial, file)


def _turn_a_bit(trial: Trial, file: Path) -> None:
    content = bytearray(file.read_bytes())
    at = trial.dice.randrange(len(content))
    content[at] ^= 1 << trial.dice.randrange(8)
    file.write_bytes(content)
    trial.detail = f"byte {at} of {file.name}"


def _judge(world: World, trial: Trial, file: Path) -> None:
    """Hold what was made of a damaged file against the undisturbed; `verify` names the file."""
    own = _step_name(world, trial.place, file)
    found = world.differences(trial.place)
    others = [line for line in found if own is None or not line.startswith(f"{own} ")]
    if others:
        return trial.fail("difference", f"{trial.detail}: {'; '.join(others)[:300]}")
    if found:
        child = trial.start(("verify", trial.place.result(), *trial.place.flags[:2]))
        if trial.end(child) == 0 or file.name not in child.said:
            trial.fail("loss", f"{trial.detail}, which no reader and no verify names")
        trial.verdict = "named"


def _step_name(world: World, place: Place, file: Path) -> str | None:
    """Return the step whose artifact holds a file."""
    key = file.relative_to(place.store).parts[2:3]
    return next((step.name for step in world.steps if (step.key,) == key), None)


def _mend(world: World, trial: Trial, file: Path, said: str) -> None:
    """See that the file was named; remove its folder, as the words ask for, and run again."""
    folder = _folder(trial.place, file)
    if file.name not in said and folder.name not in said and file.stem not in said:
        return trial.fail("loss", f"{trial.detail}, and no word of it: {said[-300:]}")
    trial.verdict = "named"
    if folder.name == "rows":
        file.unlink()
    else:
        shutil.rmtree(folder)
    trial.go_on(world, all_steps=False)  # what only led to others need not come back


def _folder(place: Place, file: Path) -> Path:
    """Return the folder of the artifact or of the work that holds a file."""
    parts = file.relative_to(place.store).parts
    return place.store.joinpath(*parts[: {"rows": 1, "work": 2}.get(parts[0], 3)])


def _leave_state(trial: Trial) -> None:
    """Train until there is a state to go on from, and kill the training."""
    child = trial.start(trial.place.run())
    while child.poll() is None and not list(trial.place.store.glob(TARGETS["state"].pattern)):
        time.sleep(0.002)
    child.send(signal.SIGKILL)
    trial.end(child)


def _flip_beside(world: World, trial: Trial) -> None:
    """Damage a file of a result; `verify` names it, and a run or a copy mends it."""
    world.seed(trial.place, world.steps)
    world.seed_result(trial.place)
    file = trial.place.result().with_name(f"chaos{BESIDE[trial.means]}")
    _turn_a_bit(trial, file)
    trial.landed.append("verify")
    child = trial.start(("verify", trial.place.result(), *trial.place.flags[:2]))
    code = trial.end(child)
    if code == 0:
        return trial.fail("loss", f"verify holds: {trial.detail}")
    if code != 0 and file.name not in child.said:
        return trial.fail("loss", f"{trial.detail}, and no word of it: {child.said[-300:]}")
    trial.verdict = "named"
    file.unlink()
    trial.go_on(world)
