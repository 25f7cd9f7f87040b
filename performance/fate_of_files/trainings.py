"""Small trainings whose fates are known: how each did on pictures that it saw and on others."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fate_of_files.styles import PICTURES, STYLES, TRAINED, write_style
from harness.errors import TrainingError
from harness.files import write_json
from harness.interfaces import StageContext
from harness.pages import benchmark as benchmarks
from harness.pages.recipe import Recipe
from harness.pages.stages import TrainSpec
from harness.pipeline.missing import missing
from harness.pipeline.plan import plan
from harness.pipeline.run import make_all
from harness.pipeline.stages.train import read_sets
from harness.pipeline.workspace import Workspace
from harness.training.draws import SampleRandom, random_key
from harness.training.losses import sample_losses
from harness.training.objective import Inputs
from harness.training.passes import Sample
from harness.training.sets import EncodedSet
from harness.training.step import one_step
from harness.training.team import Team
from harness.training.trained_models import keep, prepare
from harness.training.training_run import TrainingRun, begin

BROAD, LONG = 6, 4
"""Trainings of each style, of either sort."""
BATCH = 4
KEPT_AT = (0.15, 0.4, 1.0)
"""The shares of a training after which its adapter is kept."""
HELD_OUT, NOISES, ASKED = 24, 3, 72
"""Pictures held out, noises of each, and questions about pictures that were trained on."""


@dataclass(frozen=True)
class Training:
    """What one training is told."""

    style: str
    number: int
    rank: int
    alpha: float
    rate: float
    pictures: int
    steps: int

    @property
    def name(self) -> str:
        return f"{self.style}-{self.number:02d}"


def trainings() -> Iterator[Training]:
    """Yield every training: all styles have the same spread of figures, drawn anew for each.

    The rounds from `BROAD` on are long and have few pictures, so that some memorize.
    """
    for number in range(BROAD + LONG):
        for style in STYLES:
            dice = random.Random(f"{style} {number}")
            rank = dice.choice((4, 8, 16, 32))
            alpha = dice.choice((float(rank), rank / 2, 1.0))
            is_long = number >= BROAD
            yield Training(
                style=style,
                number=number,
                rank=rank,
                alpha=alpha,
                rate=_between(dice, *((1e-3, 2e-2) if is_long else (3e-4, 6e-2))),
                pictures=(4, 8, 16, TRAINED)[number % (2 if is_long else 4)],
                steps=round(_between(dice, *((110, 170) if is_long else (30, 150)))),
            )


def _between(dice: random.Random, low: float, high: float) -> float:
    """Return a number between two, as likely in each octave."""
    return math.exp(dice.uniform(math.log(low), math.log(high)))


class Classroom:
    """The encoded pictures of one style, and what the base makes of them."""

    def __init__(self, style: str, root: Path) -> None:
        pictures = root / "pictures" / style
        if not (pictures / f"{PICTURES - 1:03d}.txt").exists():
            write_style(style, pictures)
        whole = plan(Recipe.model_validate(_page(pictures), strict=False), _benchmark())
        train = whole.step("train")
        settings = Workspace(root / "store", root, "cpu", quiet=True).settings()
        before = [each for each in missing(whole, settings.store, train) if each.key != train.key]
        make_all(whole, before, settings)
        by_key = {step.key: step for step in whole.steps}
        inputs = {part: settings.store.folder(by_key[key]) for part, key in train.inputs.items()}
        assert isinstance(train.spec, TrainSpec)
        self.spec = train.spec
        (self.all,), _ = read_sets(self.spec, StageContext(root, inputs))
        self.root = root
        self._base: dict[int, Tensor] = {}
        self.held_out = self._losses_of_base(range(TRAINED, TRAINED + HELD_OUT), NOISES)

    def run(self, training: Training, folder: Path) -> TrainingRun:
        """Return a training before its first step."""
        spec = self.spec.model_copy(update={"train": _train(training)})
        chosen = first_of(self.all, training.pictures)
        return begin(spec, [chosen], None, prepare(spec, "cpu"), Team(), StageContext(folder, {}))

    def members(self, count: int) -> Tensor:
        """Return the base's losses on the first pictures."""
        if count not in self._base:
            asked = min(count, HELD_OUT)
            self._base[count] = self._losses_of_base(range(asked), ASKED // asked)
        return self._base[count]

    def _losses_of_base(self, pictures: Sequence[int], noises: int) -> Tensor:
        run = self.run(Training("", 0, 4, 4.0, 1e-3, TRAINED, 30), self.root)
        return losses(run, self.all, pictures, noises)  # a fresh adapter changes nothing


def first_of(whole: EncodedSet, count: int) -> EncodedSet:
    """Return the first pictures of a set of one shape."""
    (shard,) = whole.shards
    rows = np.argsort(shard.members)[:count]
    cut = replace(
        shard,
        mean=shard.mean[rows],
        std=shard.std[rows],
        ids=shard.ids[rows],
        members=shard.members[rows],
    )
    return replace(
        whole,
        shards=(cut,),
        where=tuple((0, row) for row in range(count)),
        names=whole.names[:count],
        weights=whole.weights[:count],
        readings=whole.readings[:count],
    )


@torch.no_grad()
def losses(run: TrainingRun, whole: EncodedSet, pictures: Sequence[int], noises: int) -> Tensor:
    """Return the loss of each picture under the same noises in every call: pictures × noises."""
    key = random_key(17)
    samples = [
        Sample(whole, picture, SampleRandom(key, noise, picture), 0.0)
        for picture in pictures
        for noise in range(noises)
    ]
    run.models.unet.eval()
    each = [
        _losses(run, run.objective.read(samples[at : at + 24])) for at in range(0, len(samples), 24)
    ]
    run.models.unet.train()
    return torch.cat(each).view(len(pictures), noises)


def _losses(run: TrainingRun, inputs: Inputs) -> Tensor:
    run.models.salts[:] = [inputs.salts]
    known = {"text_embeds": inputs.pooled, "time_ids": inputs.ids}
    guess = run.models.unet(inputs.noisy, inputs.times, inputs.sequences, added_cond_kwargs=known)
    return sample_losses(guess.sample, inputs.target, None) * inputs.weights


def train_one(room: Classroom, training: Training, folder: Path) -> list[dict[str, Any]]:
    """Train, keep the adapter at each of `KEPT_AT`; return how it did then, a record each."""
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    run = room.run(training, folder)
    stops = [max(1, round(share * training.steps)) for share in KEPT_AT]
    records = []
    for step in range(1, training.steps + 1):
        try:
            one_step(run)
        except TrainingError:  # it diverged: no file is left to look at
            break
        run.step += 1
        if step in stops:
            keep(run.models, run.spec, folder / f"{step:04d}")
            records.append(asdict(training) | {"step": step, **_how_it_did(room, run, training)})
    return records


def _how_it_did(room: Classroom, run: TrainingRun, training: Training) -> dict[str, Any]:
    """Return the gain over the base, held out and on what was trained, and the member test."""
    asked = min(training.pictures, HELD_OUT)
    base_out, base_in = room.held_out, room.members(training.pictures)
    out = losses(run, room.all, range(TRAINED, TRAINED + HELD_OUT), NOISES)
    within = losses(run, room.all, range(asked), ASKED // asked)
    gain_out = (base_out - out).mean(1) / base_out.mean()
    gain_in = (base_in - within).mean(1) / base_in.mean()
    pairs = gain_in[:, None] - gain_out[None]
    return {
        "gain": float(gain_out.mean()),
        "gain_error": float(gain_out.std() / math.sqrt(len(gain_out))),
        "member_gain": float(gain_in.mean()),
        "member_error": float(gain_in.std() / math.sqrt(len(gain_in))),
        "auc": float((pairs > 0).float().mean() + 0.5 * (pairs == 0).float().mean()),
    }


def train_all(root: Path, seconds: float) -> None:
    """Take the trainings that are not there yet, until CPU seconds are used up."""
    rooms: dict[str, Classroom] = {}
    began = time.process_time()
    for training in trainings():
        file = root / "trained" / training.name / "record.json"
        if file.exists():
            continue
        if time.process_time() - began > seconds:
            print(f"stopped after {seconds:.0f} CPU seconds", flush=True)
            return
        if training.style not in rooms:
            rooms[training.style] = Classroom(training.style, root)
        records = train_one(rooms[training.style], training, file.parent)
        write_json(file, records)
        last = records[-1] if records else {}
        figures = {key: round(last[key], 3) for key in ("gain", "member_gain", "auc") if last}
        print(f"{time.process_time() - began:7.0f} {json.dumps(asdict(training))} {figures}")


def _page(pictures: Path) -> dict[str, Any]:
    return {
        "name": "fate",
        "summary": "One of many small trainings.",
        "base": {"model": "pocket/sdxl"},
        "data": {"source": {"use": "folder", "path": str(pictures)}},
        "train": _words(Training("", 0, 4, 4.0, 1e-3, TRAINED, 30)),
    }


def _words(training: Training) -> dict[str, Any]:
    return {
        "method": "lora",
        "adapter": {"rank": training.rank, "alpha": training.alpha},
        "resolution": 64,
        "batch": BATCH,
        "optimizer": {"use": "adamw"},
        "phases": [{"steps": training.steps, "rate": training.rate}],
        "snr_gamma": 5.0,
        "seed": training.number,
    }


def _train(training: Training) -> Any:
    page = _page(Path("unused")) | {"train": _words(training)}
    return Recipe.model_validate(page, strict=False).train


def _benchmark() -> Any:
    return benchmarks.load("pocket-v1")
