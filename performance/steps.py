"""How many training steps a second the loop takes on this CPU: `python performance/steps.py`.

It trains the recipe pocket-ninja with sets that are made once, in rounds, and prints the median
round. To compare two versions of the code, run it on both, one after the other, on an idle
machine: `PYTHONPATH=/path/to/the/other/checkout python performance/steps.py`.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from harness.interfaces import StageContext
from harness.pages.stages import TrainSpec
from harness.pipeline.missing import missing
from harness.pipeline.request import requested
from harness.pipeline.run import make_all
from harness.pipeline.stages.train import read_sets
from harness.pipeline.workspace import Workspace
from harness.training.step import one_step
from harness.training.team import Team
from harness.training.trained_models import prepare
from harness.training.training_run import TrainingRun, begin

RECIPE = "pocket-ninja"
WARM_UP, ROUNDS, STEPS = 4, 5, 12


def begun(folder: Path) -> TrainingRun:
    """Return the recipe's training before its first step, with all that it reads."""
    plan = requested(RECIPE).plan()
    train = plan.step("train")
    settings = Workspace(folder / "store", folder, "cpu", quiet=True).settings()
    before = [step for step in missing(plan, settings.store, train) if step.key != train.key]
    make_all(plan, before, settings)
    by_key = {step.key: step for step in plan.steps}
    inputs = {part: settings.store.folder(by_key[key]) for part, key in train.inputs.items()}
    context = StageContext(folder / "run", inputs)
    context.folder.mkdir()
    spec = train.spec
    assert isinstance(spec, TrainSpec)
    sets, class_set = read_sets(spec, context)
    return begin(spec, sets, class_set, prepare(spec, "cpu"), Team(), context)


def steps_a_second(run: TrainingRun, count: int) -> float:
    started = time.perf_counter()
    for _ in range(count):
        one_step(run)
        run.step += 1
    return count / (time.perf_counter() - started)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = begun(Path(folder))
        steps_a_second(run, WARM_UP)
        rounds = sorted(steps_a_second(run, STEPS) for _ in range(ROUNDS))
    middle = statistics.median(rounds)
    print(f"{RECIPE}: {middle:.2f} steps a second ({rounds[0]:.2f} to {rounds[-1]:.2f})")


if __name__ == "__main__":
    sys.exit(main())
