"""What the loss probe sees, how often it is wrong, and what it costs beside drawing.

`python performance/probe.py [orders] [alarms] [cost] --store DIR` writes its figures into
`performance/probe.json`, each part as soon as it is there; what a store holds is not made again.

orders: held-out gain and member test of the four pocket recipes.
alarms: the member test of 40 trainings that see every picture once, each on pictures of its own.
cost: CPU seconds of the probe of pocket-ninja-overfit, beside those of drawing its images and of
drawing and looking at the captions that `extraction` asks for, in one run after the training.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness.data.specs import Pocket
from harness.files import write_json
from harness.metrics.probe import ALARM
from harness.pages import benchmark as benchmarks
from harness.pages import recipe as recipes
from harness.pages.recipe import Recipe
from harness.pages.train import Phase
from harness.pages.validation import Validation
from harness.pipeline.missing import to_make
from harness.pipeline.plan import RunPlan, plan
from harness.pipeline.probe_steps import HELD
from harness.pipeline.results.probe import summary_of
from harness.pipeline.results.tables import read_table
from harness.pipeline.run import make_all
from harness.pipeline.workspace import Workspace
from harness.records import ProbedStep, Step

OUT = Path(__file__).with_suffix(".json")
RECIPES = ("pocket-ninja", "pocket-ninja-short", "pocket-ninja-overfit", "pocket-ninja-broken")
TRAININGS, PICTURES, STEPS = 40, 240, 30
"""Trainings that memorize nothing: 30 steps of 8 pictures show each of 240 pictures once."""
FIRST_TRAINED, FIRST_HELD = 200_000, 300_000
"""Rows of the pocket world that nothing else uses."""


def planned(page: Recipe) -> RunPlan:
    return plan(page, benchmarks.load("pocket-v1"))


def probed(page: Recipe, workspace: Workspace) -> ProbedStep:
    """Return what the probe says of the end of a training, making what is missing."""
    steps, settings = planned(page), workspace.settings()
    assert steps.probe is not None
    make_all(steps, to_make(steps, settings.store, steps.probe), settings)
    table = read_table(settings.store.folder(steps.probe) / "probe.parquet", "probe")
    return summary_of(table).steps[-1]


def figures(found: ProbedStep) -> dict[str, Any]:
    assert found.gain is not None
    assert found.member is not None
    return {
        "gain": [round(each, 4) for each in (found.gain.value, found.gain.low, found.gain.high)],
        "auc": [
            round(each, 4) for each in (found.member.value, found.member.low, found.member.high)
        ],
        "p": found.member.p,
        "significant": found.member.significant,
    }


def orders(workspace: Workspace) -> dict[str, Any]:
    """Return gain and member test of every pocket recipe; the base's own gain is 0."""
    return {name: figures(probed(recipes.load(name), workspace)) for name in RECIPES}


def once_seen(number: int) -> Recipe:
    """Return a training that sees each of its pictures once, and asks about others of its own."""
    page = recipes.load("pocket-ninja-short")
    assert page.train is not None
    assert page.data is not None
    source = Pocket(
        use="pocket", set="ninja", first=FIRST_TRAINED + number * PICTURES, count=PICTURES
    )
    held = Pocket(use="pocket", set="ninja", first=FIRST_HELD + number * 32, count=32)
    train = page.train.model_copy(
        update={
            "phases": (Phase(steps=STEPS, rate=1e-3, schedule="cosine", warmup=3),),
            "seed": number,
            "validation": Validation(source=held, rows=32, timesteps=4),
        }
    )
    data = page.data.model_copy(update={"source": source})
    return page.model_copy(update={"name": f"once-seen-{number}", "train": train, "data": data})


def alarms(workspace: Workspace, trainings: int = TRAININGS) -> dict[str, Any]:
    """Return how many trainings that memorize nothing raise an alarm."""
    found = []
    for number in range(trainings):
        found.append(figures(probed(once_seen(number), workspace)))
        print(f"training {number}: {found[-1]}", file=sys.stderr, flush=True)
    false = sum(each["significant"] for each in found)
    return {
        "trainings": trainings,
        "false_alarms": false,
        "share": false / trainings,
        "below_0.05": sum(each["p"] <= 0.05 for each in found),
        "alarm_below": ALARM,
        "auc": [each["auc"][0] for each in found],
        "p": [each["p"] for each in found],
    }


def cost(workspace: Workspace) -> dict[str, Any]:
    """Return the CPU seconds of the probe beside those of drawing, of a training that is there."""
    steps, settings = planned(recipes.load("pocket-ninja-overfit")), workspace.settings()
    train = steps.step("train")
    make_all(steps, to_make(steps, settings.store, train), settings)
    with tempfile.TemporaryDirectory() as folder:
        apart = Workspace(Path(folder) / "store", Path(folder) / "reports", quiet=True)
        for key in (train.key, *train.inputs.values()):
            step = next(each for each in steps.steps if each.key == key)
            shutil.copytree(settings.store.folder(step), apart.open_store().folder(step))
        spent = {step.name: _seconds(step, steps, apart) for step in _of_interest(steps)}
    asking = sum(spent[name] for name in spent if name == "probe" or name.endswith("-held"))
    drawing = spent["sample"] + spent["captions"]
    looking = sum(seconds for name, seconds in spent.items() if "/" in name)
    return {
        "cpu_seconds": {name: round(seconds, 2) for name, seconds in spent.items()},
        "probe": round(spent["probe"], 2),
        "probe_with_held_out": round(asking, 2),
        "drawing": round(drawing, 2),
        "drawing_and_looking": round(drawing + looking, 2),
        "drawing_over_probe": round(drawing / spent["probe"], 1),
        "all_over_probe": round((drawing + looking) / spent["probe"], 1),
        "all_over_probe_with_held_out": round((drawing + looking) / asking, 1),
    }


def _of_interest(steps: RunPlan) -> list[Step]:
    """Return the probe, the drawing, and what `memorization` and `extraction` look with."""
    looks = [step for step in steps.steps if "/maps" in step.name]
    folders = {key for step in looks for key in step.inputs.values()}
    wanted = {step.key for step in looks} | folders
    roles = ("probe", "sample", "captions")
    return [
        step
        for step in steps.steps
        if step.key in wanted or step.title.role in roles or step.title.set == HELD
    ]


def _seconds(step: Step, steps: RunPlan, workspace: Workspace) -> float:
    began = time.process_time()
    make_all(steps, [step], workspace.settings())
    return time.process_time() - began


PARTS: dict[str, Callable[[Workspace], dict[str, Any]]] = {
    "orders": orders,
    "alarms": alarms,
    "cost": cost,
}


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--store", type=Path, default=Path(".harness/store"))
    asked = parser.parse_args(arguments)
    workspace = Workspace(asked.store, Path("reports"), quiet=True)
    for name in asked.parts or PARTS:
        there = json.loads(OUT.read_text(encoding="utf-8")) if OUT.is_file() else {}
        there[name] = PARTS[name](workspace)
        write_json(OUT, there)
        print(json.dumps({name: there[name]}, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
