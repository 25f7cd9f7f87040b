"""Does blame find bad pictures, and does leaving them out help? `python performance/blame.py`.

The ground truth: of 240 ninjas of the pocket world 12 are spoiled in one way, by another picture's
caption, by blur, or by a face without the style.

    find     trains on each set and ranks its pictures: by blame, and by what else could be asked
    remove   trains without the 12 worst and without 12 at random, with several seeds each, and
             compares the held-out gain: how much better than the base 128 other ninjas are
             predicted, under equal noise
    tell     prints what was measured

Every figure is a line of the file named by --out; a line that is there is not measured again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ImageFilter
from scipy.stats import rankdata, ttest_rel

import harness
from harness.files import write_text
from harness.interfaces import Array
from harness.pages.data import Data
from harness.pages.recipe import Recipe
from harness.pipeline.blame_steps import Question, plan_blame
from harness.pipeline.missing import to_make
from harness.pipeline.plan import RunPlan
from harness.pipeline.request import requested
from harness.pipeline.run import make_all
from harness.pipeline.stages.files import read_index
from harness.pipeline.stages.gradients import file_of
from harness.pipeline.store.local import Store
from harness.pocket.draw import draw
from harness.pocket.world import Row, row
from harness.training.probe import Denoiser, ProbedPicture, ask, even_grid, schedule_of
from harness.training.sample_gradients import load_weights
from harness.training.sets import mapped, read_set
from harness.training.trained_models import prepare

ROWS, BAD, TESTED = 240, 12, 128
KINDS = ("caption", "blur", "style")
ASKED, TEST = 100_000, 200_000
"""The first of the ninjas that blame asks about, and of those that the gain is measured on."""
STEPS = 300
RIDGES = (1e-3, 1e-2, 1e-1, 1.0)


@dataclass(frozen=True)
class Place:
    """Where the sets, the store and the figures are."""

    root: Path
    out: Path

    @property
    def workspace(self) -> harness.Workspace:
        return harness.Workspace(self.root / "store", self.root / "reports", "cpu", quiet=True)

    def known(self) -> list[dict[str, Any]]:
        return (
            [json.loads(line) for line in self.out.read_text().splitlines()]
            if (self.out.is_file())
            else []
        )

    def has(self, **facts: Any) -> bool:
        return any(facts.items() <= line.items() for line in self.known())

    def add(self, line: Mapping[str, Any]) -> None:
        lines = [*self.known(), dict(line)]
        write_text(self.out, "".join(json.dumps(each) + "\n" for each in lines))


def spoiled_rows(seed: int) -> list[int]:
    return sorted(np.random.default_rng([7, seed]).choice(ROWS, BAD, replace=False).tolist())


def planted(place: Place, kind: str, seed: int) -> Path:
    """Return a folder of ninjas with captions, 12 of which are spoiled."""
    folder = place.root / "sets" / f"{kind}-{seed}"
    if folder.is_dir():
        return folder
    part = folder.with_name(f"{folder.name}.part")
    part.mkdir(parents=True, exist_ok=True)
    bad = set(spoiled_rows(seed))
    for number in range(ROWS):
        one = row("ninja", seed * 1000 + number)
        picture, text = one.image(), one.caption
        if number in bad:
            picture, text = spoil(one, kind, row("ninja", 500_000 + seed * 1000 + number))
        picture.save(part / f"{number:04d}.png")
        (part / f"{number:04d}.txt").write_text(text)
    return part.rename(folder)


def spoil(one: Row, kind: str, other: Row) -> tuple[Any, str]:
    """Return a picture and its caption, one of them spoiled."""
    if kind == "caption":
        return one.image(), other.caption
    if kind == "blur":
        return one.image().filter(ImageFilter.GaussianBlur(2.0)), one.caption
    plain = {"thick": False, "spiked": False, "headband": False, "whiskers": False}
    return draw(replace(one.face, **plain, stripes=None)), one.caption  # type: ignore[arg-type]


def page(
    folder: Path, seed: int = 0, without: list[str] | None = None, steps: int = STEPS
) -> Recipe:
    """Return the recipe pocket-ninja on another set; blame asks it about other ninjas."""
    recipe = harness.load_recipe("pocket-ninja")
    assert recipe.train is not None
    source = {"use": "folder", "path": str(folder)}
    data = Data.model_validate({"source": source, "without": without or []}, strict=False)
    held = {"source": {"use": "pocket", "set": "ninja", "first": ASKED, "count": 64}}
    phase = {"steps": steps, "rate": 1e-3, "schedule": "cosine", "warmup": steps // 15}
    train = recipe.train.model_dump(exclude_unset=True) | {
        "phases": [phase],
        "seed": seed,
        "checkpoint_every": steps // 4,
        "validation": {**held, "rows": 64},
    }
    changes = {"name": f"{folder.name}.seed{seed}", "data": data, "train": train}
    whole = recipe.model_dump(exclude_unset=True) | changes
    return Recipe.model_validate(whole, strict=False)


def found_by(place: Place, kind: str, seed: int, checkpoints: int) -> None:
    """Rank the pictures of one set by blame and by its rivals; note how well each finds the bad."""
    facts = {"what": "find", "kind": kind, "set": seed, "checkpoints": checkpoints}
    if place.has(**facts):
        return
    recipe = page(planted(place, kind, seed))
    began = time.process_time()
    harness.train(recipe, workspace=place.workspace)
    trained = time.process_time()
    report = harness.blame(recipe, checkpoints=checkpoints, workspace=place.workspace)
    blamed = time.process_time()
    bad = {f"{number:04d}.png" for number in spoiled_rows(seed)}
    plan = plan_of(recipe, checkpoints)
    aucs = {name: auc(scores, bad) for name, scores in rivals(place, plan).items()}
    worst = [each.id for each in report.blame.worst(BAD)]
    place.add(
        {
            **facts,
            "auc": auc({each.id: each.value for each in report.pictures}, bad),
            "of_12_worst": sum(name in bad for name in worst),
            "hurt": report.blame.counts()["hurt"],
            "rivals": aucs,
            "train_seconds": round(trained - began, 1),
            "blame_seconds": round(blamed - trained, 1),
            "worst": worst,
        }
    )


def plan_of(recipe: Recipe, checkpoints: int) -> RunPlan:
    judgement = requested(recipe, "pocket-v1").judgement
    return plan_blame(recipe, judgement, Question(checkpoints=checkpoints))


def auc(scores: Mapping[str, float], bad: set[str]) -> float:
    """Return how often a bad picture has a lower score than a good one."""
    ranks = rankdata([scores[name] for name in scores])
    is_bad = np.array([name in bad for name in scores])
    good, lost = int((~is_bad).sum()), int(is_bad.sum())
    above = ranks[~is_bad].sum() - good * (good + 1) / 2
    return round(float(above / (good * lost)), 4)


def rivals(place: Place, plan: RunPlan) -> dict[str, dict[str, float]]:
    """Return the scores of every picture by other rules, from the same gradients."""
    store = Store(place.workspace.store)
    own, asked = (Gradients.read(store, plan, name) for name in ("0", "asked"))
    scores: dict[str, Array] = {
        "blame, k = 512": total(own.folded(512), asked.folded(512), unit=True),
        "TracIn: lengths count": total(own, asked),
        "lengths count, by timestep": by_timestep(own, asked),
        "own loss is low": -own.losses.mean(1),
        "own gradient is short": -own.norms[:, -1].mean(1),
        "own gain over the base": base_losses(store, plan) - own.losses.mean(1),
    }
    for ridge in RIDGES:
        scores[f"TRAK, ridge {ridge:g}"] = trak(own, asked, ridge, unit=False)
        scores[f"TRAK of directions, ridge {ridge:g}"] = trak(own, asked, ridge, unit=True)
    return {
        name: dict(zip(own.ids, map(float, values), strict=True)) for name, values in scores.items()
    }


@dataclass(frozen=True)
class Gradients:
    """What the stage kept: pictures × checkpoints × points, and × k."""

    ids: list[str]
    units: Array
    norms: Array
    losses: Array
    """At the last checkpoint: pictures × points."""

    @classmethod
    def read(cls, store: Store, plan: RunPlan, name: str) -> Gradients:
        step = plan.step(f"gradients-{name}")
        folder = store.folder(step)
        steps = step.spec.checkpoints  # type: ignore[attr-defined]
        files = [sorted(folder.glob(file_of(each, 0).replace("00000000.", "*."))) for each in steps]
        parts = [[mapped(file) for file in each] for each in files]
        units, norms, losses = (
            np.stack([np.concatenate([part[what] for part in each]) for each in parts], 1)
            for what in ("units", "norms", "losses")
        )
        ids = [entry.id for entry in read_index(folder)]
        return cls(ids, units.astype(np.float32), norms, losses[:, -1].astype(np.float64))

    def folded(self, k: int) -> Gradients:
        """Return the same, projected onto fewer numbers."""
        shape = (*self.units.shape[:-1], -1, k)
        return replace(self, units=self.units.reshape(shape).sum(-2))

    def vectors(self, unit: bool) -> Array:
        return np.asarray(self.units if unit else self.units * self.norms[..., None])


def total(own: Gradients, asked: Gradients, unit: bool = False) -> Array:
    """Return inner products with the mean gradient of what is asked, summed over checkpoints."""
    direction = asked.vectors(unit).mean((0, 2))
    return np.asarray(np.einsum("rcpk,ck->r", own.vectors(unit), direction))


def by_timestep(own: Gradients, asked: Gradients) -> Array:
    """Return the same, where each timestep is asked about itself, whatever its length."""
    points = own.units.shape[2]
    shape = (len(asked.ids), asked.units.shape[1], points, -1, asked.units.shape[-1])
    directions = asked.vectors(False).reshape(shape).mean((0, 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    return np.asarray(np.einsum("rcpk,cpk->r", own.vectors(True), directions))


def trak(own: Gradients, asked: Gradients, ridge: float, unit: bool) -> Array:
    """Return φᵀ(ΦᵀΦ/n + λ)⁻¹q at the last checkpoint (arXiv:2303.14186), by its n × n dual."""
    rows = own.vectors(unit)[:, -1].mean(1).astype(np.float64)
    q = asked.vectors(unit)[:, -1].mean((0, 1)).astype(np.float64)
    gram = rows @ rows.T / len(rows)
    level = ridge * np.trace(gram) / len(rows)
    return np.asarray(np.linalg.solve(gram + level * np.eye(len(rows)), rows @ q))


def base_losses(store: Store, plan: RunPlan) -> Array:
    """Return the mean loss of the bare base on every picture that was trained on."""
    return losses_of(store, plan, "0", None).mean(1)


def losses_of(store: Store, plan: RunPlan, name: str, trained: Path | None) -> Array:
    """Return the losses of a set's pictures, under an adapter or without any."""
    by_key = {step.key: step for step in plan.steps}
    inputs = plan.step(f"gradients-{name}").inputs
    latents, texts = (store.folder(by_key[inputs[role]]) for role in ("latents", "texts"))
    return probed(plan, latents, texts, trained)


def probed(plan: RunPlan, latents: Path, texts: Path, trained: Path | None) -> Array:
    spec: Any = plan.step("train").spec
    models = prepare(spec, "cpu")
    models.unet.eval()
    if trained is not None:
        load_weights(models, trained)
    kept, prediction = schedule_of(spec.base)
    ids = [entry.id for entry in read_index(latents)]
    data = read_set(latents, texts, ids, [1.0] * len(ids))
    pictures = [ProbedPicture(data, number, name) for number, name in enumerate(ids)]
    return ask(Denoiser(models.unet, kept, prediction, "cpu"), pictures, even_grid(8), 16)


def gain(place: Place, recipe: Recipe) -> float:
    """Return the held-out gain of a recipe on ninjas that nothing else has seen, times 1,000."""
    folder = harness.train(recipe, workspace=place.workspace)
    return float((base_at(place) - probed(*tested(place), folder)).mean() * 1000)


@cache
def base_at(place: Place) -> Array:
    """Return the losses of the bare base on the ninjas that the gain is measured on."""
    return probed(*tested(place), None)


@cache
def tested(place: Place) -> tuple[RunPlan, Path, Path]:
    """Return the ninjas that the gain is measured on, as a training would read them."""
    recipe = harness.load_recipe("pocket-ninja")
    source = {"use": "pocket", "set": "ninja", "first": TEST, "count": TESTED}
    data = Data.model_validate({"source": source}, strict=False)
    plan = requested(recipe.model_copy(update={"data": data}), "pocket-v1").plan()
    settings = place.workspace.settings()
    steps = [plan.step(f"{role}") for role in ("texts", "latents")]
    for step in steps:
        make_all(plan, to_make(plan, settings.store, step), settings)
    texts, latents = (settings.store.folder(step) for step in steps)
    return plan, latents, texts


def removed(place: Place, kind: str, seed: int, training: int, steps: int = STEPS) -> None:
    """Train without the worst and without as many at random; note the gain of either."""
    known = next(
        line
        for line in place.known()
        if {"what": "find", "kind": kind, "set": seed}.items() <= line.items()
    )
    ids = [f"{number:04d}.png" for number in range(ROWS)]
    chance = np.random.default_rng([11, seed, training]).choice(ids, BAD, replace=False)
    for arm, without in (("worst", known["worst"]), ("random", chance.tolist())):
        facts = {
            "what": "remove",
            "kind": kind,
            "set": seed,
            "training": training,
            "arm": arm,
            "steps": steps,
        }
        if not place.has(**facts):
            recipe = page(planted(place, kind, seed), training, list(without), steps)
            place.add({**facts, "gain": gain(place, recipe)})


def tell(place: Place) -> None:
    for line in place.known():
        if line["what"] == "find":
            print(
                f"{line['kind']:<8} set {line['set']}, {line['checkpoints']} checkpoints: "
                f"AUC {line['auc']:.3f}, {line['of_12_worst']} of 12 worst are bad, "
                f"{line['blame_seconds'] / line['train_seconds']:.2f} of a training"
            )
            for name, value in line["rivals"].items():
                print(f"    {value:.3f}  {name}")
    for kind in KINDS:
        tell_removal(kind, [each for each in place.known() if each["what"] == "remove"])


def tell_removal(kind: str, lines: list[dict[str, Any]]) -> None:
    gains = {
        (each["set"], each["training"], each["arm"]): each["gain"]
        for each in lines
        if each["kind"] == kind
    }
    pairs = [
        (value, gains[own, training, "random"])
        for (own, training, arm), value in gains.items()
        if arm == "worst" and (own, training, "random") in gains
    ]
    if len(pairs) < 2:
        return
    worst, chance = map(np.array, zip(*pairs, strict=True))
    p = float(ttest_rel(worst, chance).pvalue)
    print(
        f"{kind:<8} held-out gain × 1000 without the worst {worst.mean():.3f}, without as many at "
        f"random {chance.mean():.3f}; {(worst > chance).sum()} of {len(pairs)} seeds, p {p:.2g}"
    )


def asked_for(arguments: argparse.Namespace) -> Iterator[Callable[[Place], None]]:
    for kind in arguments.kinds:
        for seed in arguments.sets:
            if arguments.what == "find":
                yield lambda place, k=kind, s=seed: found_by(place, k, s, arguments.checkpoints)  # type: ignore[misc]
            else:
                for training in range(1, arguments.seeds + 1):
                    yield lambda place, k=kind, s=seed, t=training: removed(  # type: ignore[misc]
                        place, k, s, t, arguments.steps
                    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("find", "remove", "tell"))
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
    parser.add_argument("--sets", nargs="+", type=int, default=[0])
    parser.add_argument("--seeds", type=int, default=8, help="trainings of each arm")
    parser.add_argument("--steps", type=int, default=STEPS, help="steps of each of them")
    parser.add_argument("--checkpoints", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path(".harness/blame"))
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("blame.jsonl"))
    arguments = parser.parse_args()
    place = Place(arguments.folder.resolve(), arguments.out)
    if arguments.what != "tell":
        for work in asked_for(arguments):
            work(place)
    tell(place)


if __name__ == "__main__":
    main()
