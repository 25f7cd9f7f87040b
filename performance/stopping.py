"""Does a sweep advise a good step, and what does a race save? `python performance/stopping.py`.

Ten trainings of the pocket world with six checkpoints each: sets of 24 to 1,221 ninjas, several
rates and seeds. Every checkpoint answers the 32 prompts of pocket-v1 at five seeds, in four steps
of the sampler and without guidance, which is what ten trainings may cost.

draw   trains and draws, into --store; what is there is not made again
tell   judges by `kid` and `style` and writes the figures to performance/stopping.json:
    best   the step that a sweep advises from seeds 1 and 2, beside the best stretch: by seeds 3
           to 5, the checkpoints whose KID is within 5 % of the way from the base to the best
    race   in 100 resamplings of each training (three of the five seeds, prompts in another turn):
           the step that the race names beside the sweep's of the same images, and how many it drew

The stretch and its 5 % were set down before anything was drawn. Copies are not looked for here:
where they are, flags leave out what KID may still praise.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from harness import plugins
from harness.decisions.racing import Look, looks_of, race
from harness.decisions.stopping import advise
from harness.decisions.sweep import Point
from harness.extractors.specs import Classifier, Gram
from harness.files import write_json
from harness.interfaces import Evidence, FeatureSet, MetricSpec, Side
from harness.keys import extractor_name
from harness.metrics.specs.fidelity import Kid
from harness.metrics.specs.style import Style
from harness.pages import benchmark as benchmarks
from harness.pages import recipe as recipes
from harness.pages.benchmark import Judgement
from harness.pages.recipe import Recipe
from harness.pipeline.missing import to_make
from harness.pipeline.plan import RunPlan
from harness.pipeline.points import at_checkpoints
from harness.pipeline.run import make_all
from harness.pipeline.stages.feature_files import features
from harness.pipeline.stages.score import Judged
from harness.pipeline.store.local import Store
from harness.pipeline.workspace import Workspace
from harness.records import Accounting, PseudoValues, Result

OUT = Path(__file__).with_suffix(".json")
STEPS, EVERY = 120, 20
ASKED, TRUTH = (1, 2), (3, 4, 5)
"""The seeds that a sweep sees, and those that say which stretch is best."""
NEAR = 0.05
"""How far from the best a checkpoint of the best stretch may be, as a share of its way from the
base."""
RESAMPLINGS, RACED = 100, 3
"""How often a race is run on each training, and by how many seeds: as many as pocket-v1 has."""
TRAININGS = (
    (24, 8e-3, 1),
    (24, 4e-3, 2),
    (40, 8e-3, 3),
    (40, 4e-3, 4),
    (80, 8e-3, 5),
    (80, 2e-3, 6),
    (1221, 8e-3, 7),
    (1221, 4e-3, 8),
    (1221, 2e-3, 9),
    (400, 2e-3, 10),
)
"""Pictures, rate and seed of each."""


@dataclass(frozen=True)
class Drawn:
    """The features of all images of one training, by checkpoint, and what they are beside."""

    name: str
    own: Mapping[float, Mapping[str, FeatureSet]]
    sides: Mapping[str, Mapping[Side, FeatureSet]]
    metrics: tuple[MetricSpec, ...]

    def point(self, at: float, prompts: Sequence[str], seeds: Sequence[int]) -> Point:
        """Return a checkpoint judged by some of its images."""
        judged = [self._judged(metric, at, {*prompts}, {*seeds}) for metric in self.metrics]
        rows = [(metric, *row[:1], *row[2:]) for metric, row in _prompts(judged)]
        own: dict[str, dict[str, float]] = {}
        base: dict[str, dict[str, float]] = {}
        for column, prompt, value, theirs in rows:
            own.setdefault(column, {})[prompt] = value
            base.setdefault(column, {})[prompt] = float(theirs or 0.0)
        count = len(prompts) * len(seeds)
        result = Result(
            recipe=f"step-{at:g}",
            benchmark="pocket-v1",
            signature="resampled",
            protocol={},
            keys={},
            images=Accounting(expected=count, generated=count, failed=0, scored=count),
            scores=tuple(each.score() for each in judged),
        )
        return Point.of(at, result, PseudoValues(own, base))

    def _judged(self, metric: MetricSpec, at: float, prompts: set[str], seeds: set[int]) -> Judged:
        name = extractor_name(metric.extractor())
        sides = self.sides[name]
        own, base = (_some(each, prompts, seeds) for each in (self.own[at][name], sides["base"]))
        measure = partial(plugins.implementation(metric), metric)
        reference: dict[Side, FeatureSet] = {"reference": sides["reference"]}
        return Judged(
            metric, measure(Evidence(own, reference)), own, measure(Evidence(base, reference))
        )


def _prompts(judged: Sequence[Judged]) -> list[tuple[str, tuple[str, str, float, float | None]]]:
    return [(each.metric.column, row) for each in judged for row in each.prompts()]


def _some(whole: FeatureSet, prompts: set[str], seeds: set[int]) -> FeatureSet:
    pairs = zip(whole.prompt_ids, whole.seeds, strict=True)
    rows = [row for row, (prompt, seed) in enumerate(pairs) if prompt in prompts and seed in seeds]
    return whole.take(np.array(rows, np.int64))


def recipe_of(pictures: int, rate: float, seed: int) -> Recipe:
    page = recipes.load("pocket-ninja")
    assert page.data is not None
    assert page.train is not None
    source = page.data.source.model_copy(update={"count": pictures})
    phase = page.train.phases[0].model_copy(
        update={"steps": STEPS, "rate": rate, "schedule": "constant", "warmup": 10}
    )
    fields: dict[str, Any] = {"phases": (phase,), "seed": seed, "batch": 4}
    fields |= {"checkpoint_every": EVERY, "validation": None}
    return page.model_copy(
        update={
            "name": f"stopping-{pictures}-{seed}",
            "data": page.data.model_copy(update={"source": source}),
            "train": page.train.model_copy(update=fields),
        }
    )


def judgement() -> Judgement:
    """Return pocket-v1 at five seeds, cheaply sampled, by two metrics."""
    page = benchmarks.load("pocket-v1")
    sampler = page.sampler.model_copy(update={"steps": 4, "guidance": 1.0})
    metrics = (
        Kid(use="kid", features=Classifier(use="classifier", model="pocket/inception")),
        Style(use="style", features=Gram(use="gram", model="pocket/inception")),
    )
    fields: dict[str, Any] = {"seeds": (*ASKED, *TRUTH), "sampler": sampler, "metrics": metrics}
    fields |= {"originals": None, "leakage": None, "extraction": None, "licences": False}
    return replace(
        page, benchmark=page.benchmark.model_copy(update=fields), leakage=(), extraction=()
    )


def plans(training: tuple[int, float, int]) -> list[tuple[float, RunPlan]]:
    return at_checkpoints(recipe_of(*training), judgement())


def draw(workspace: Workspace, only: int | None) -> None:
    """Train and draw whatever is missing."""
    settings = workspace.settings()
    for training in TRAININGS if only is None else TRAININGS[only : only + 1]:
        begun = time.process_time()
        for _, each in plans(training):
            steps = [step for step in to_make(each, settings.store) if step.stage != "score"]
            make_all(each, steps, settings)
        print(training, f"{time.process_time() - begun:.0f} CPU seconds", flush=True)


def read(training: tuple[int, float, int], store: Store) -> Drawn:
    """Return the features that one training's images have."""
    own: dict[float, dict[str, FeatureSet]] = {}
    sides: dict[str, dict[Side, FeatureSet]] = {}
    planned = plans(training)
    metrics = planned[0][1].judgement.metrics
    names = [extractor_name(metric.extractor()) for metric in metrics]
    for at, each in planned:
        folders = {step.name: store.folder(step) for step in each.steps}
        own[at] = {name: features("sample", name, folders) for name in names}
        for name in names if not sides else ():
            sides[name] = {side: features(side, name, folders) for side in ("base", "reference")}
    return Drawn(f"{training[0]} pictures, rate {training[1]:g}", own, sides, metrics)


def best_stretch(drawn: Drawn, prompts: Sequence[str]) -> tuple[list[float], dict[float, float]]:
    """Return the checkpoints near the best, and the KID of all, by the seeds that nobody swept."""
    scores = {at: drawn.point(at, prompts, TRUTH).result.scores[0] for at in drawn.own}
    values = {at: float(score.value or 0) for at, score in scores.items()}
    base = next(score.base.value for score in scores.values() if score.base is not None)
    best = min(values.values())
    return [at for at, each in values.items() if each <= best + NEAR * (base - best)], values


def advised(drawn: Drawn, prompts: Sequence[str]) -> dict[str, Any]:
    """Return the step that a sweep advises, beside the best stretch."""
    stretch, values = best_stretch(drawn, prompts)
    advice = advise([drawn.point(at, prompts, ASKED) for at in drawn.own])
    return {
        "training": drawn.name,
        "kid": {f"{at:g}": round(each, 2) for at, each in values.items()},
        "best_stretch": stretch,
        "advised": advice.at,
        "alike": list(advice.alike),
        "is_in_it": advice.at in stretch,
        "reason": advice.reason,
    }


def raced(drawn: Drawn, prompts: Sequence[str], chance: np.random.Generator) -> tuple[bool, float]:
    """Return whether a race names the same step as the sweep of the same images, and the share of
    the images that it drew."""
    seeds = sorted(chance.choice([*ASKED, *TRUTH], RACED, replace=False).tolist())
    turn = [str(each) for each in chance.permutation(list(prompts))]
    looks = looks_of(len(prompts), len(seeds))
    whole = {at: drawn.point(at, prompts, seeds) for at in drawn.own}

    def judge(at: float, look: Look) -> Point:
        if look == looks[-1]:
            return whole[at]
        return drawn.point(at, turn[: look.prompts], seeds[: look.seeds])

    ran = race([*drawn.own], looks, "kid", judge)
    points = [_stopped(point) if point.at in ran.stopped else point for point in ran.points]
    same = advise(points).at == advise([*whole.values()]).at
    return same, ran.images / (looks[-1].images * len(whole))


def _stopped(point: Point) -> Point:
    provenance = {"race": {"stopped": "stopped"}}
    return replace(point, result=point.result.model_copy(update={"provenance": provenance}))


def tell(store: Store, resamplings: int) -> None:
    """Write the figures of every training that is drawn and not told of yet."""
    told = json.loads(OUT.read_text(encoding="utf-8")) if OUT.is_file() else {}
    best, races = list(told.get("best", ())), list(told.get("race", ()))
    for number, training in enumerate(TRAININGS):
        if not all(store.has(each.step("sample")) for _, each in plans(training)):
            print(training, "is not drawn yet", flush=True)
            continue
        drawn, chance = read(training, store), np.random.default_rng(number)
        if drawn.name in [each["training"] for each in races]:
            continue
        prompts = sorted(set(next(iter(drawn.own[EVERY].values())).prompt_ids))
        best.append(advised(drawn, prompts))
        ran = [raced(drawn, prompts, chance) for _ in range(resamplings)]
        races.append(_told(drawn, ran))
        write_json(OUT, _figures(best, races))
        print(json.dumps(best[-1]), json.dumps(races[-1]), sep="\n", flush=True)


def _told(drawn: Drawn, ran: Sequence[tuple[bool, float]]) -> dict[str, Any]:
    same, share = (np.array(each, np.float64) for each in zip(*ran, strict=True))
    return {
        "training": drawn.name,
        "resamplings": len(ran),
        "same_step": round(float(same.mean()), 3),
        "images": round(float(share.mean()), 3),
        "most_images": round(float(share.max()), 3),
    }


def _figures(best: Sequence[dict[str, Any]], races: Sequence[dict[str, Any]]) -> dict[str, Any]:
    counts = [each["resamplings"] for each in races]
    same, images = (
        float(np.average([each[name] for each in races], weights=counts))
        for name in ("same_step", "images")
    )
    return {
        "trainings": len(TRAININGS),
        "told": len(best),
        "advised_in_best_stretch": sum(each["is_in_it"] for each in best),
        "resamplings": sum(counts),
        "race_names_the_same_step": round(same, 3),
        "race_share_of_images": round(images, 3),
        "best": list(best),
        "race": list(races),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("part", choices=("draw", "tell"))
    parser.add_argument("--store", type=Path, default=Path(".harness/stopping"))
    parser.add_argument("--resamplings", type=int, default=RESAMPLINGS)
    parser.add_argument("--only", type=int, help="the number of one training, from 0")
    given = parser.parse_args()
    workspace = Workspace(given.store, given.store / "reports", device="cpu")
    if given.part == "draw":
        draw(workspace, given.only)
    else:
        tell(workspace.open_store(), given.resamplings)


if __name__ == "__main__":
    main()
