"""The loss probe while training goes on: what it asks, what it finds, and what it warns of.

A look asks the weights that would be kept about the same pictures under the same noise as every
look before it. The first one is taken before the first step, when the model still is the base. No
look draws a number that training draws, or leaves anything behind but a scratch file.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.diffusion.load import TextEncoders
from harness.files import lines_of
from harness.interfaces import Array
from harness.metrics.probe import LEAST, MemberTest, Probed, gain, member_test
from harness.metrics.statistics.intervals import Ends
from harness.pages.stages import TrainSpec
from harness.pages.train import Train
from harness.pages.validation import Validation
from harness.training.previews import evaluating
from harness.training.probe import Denoiser, Grid, ProbedPicture, ask, even_grid, schedule_of
from harness.training.trained_models import TrainedModels, prepare
from harness.training.training_run import TrainingRun

SHARE = 0.04
"""The share of a training's forward and backward passes that all looks may take together: with
what is lost around them they stay below 5 % of the time."""
EARLY = 250
"""The timestep to ask about where there is time for one: memorizing shows at little noise."""
HISTORY = "scratch-validation.jsonl"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Looks:
    """How often a training is looked at, and how much is asked each time."""

    every: int
    rows: int
    """Pictures of each side."""
    timesteps: int
    count: int
    """Looks in the whole training."""


def looks_of(train: Train) -> Looks | None:
    """Return looks that cost little enough; None where even two small ones would cost too much."""
    if train.validate_every is None:
        return None
    asked = train.validation or Validation()
    passes = 3 if train.method == "full" else 2
    budget = SHARE * passes * train.steps * train.effective_batch
    for every in range(train.validate_every, train.steps + 1, train.validate_every):
        count = 1 + train.steps // every
        questions = budget / count
        if questions >= 2 * LEAST:
            timesteps = max(1, min(asked.timesteps, int(questions // (4 * LEAST * 2))))
            return Looks(
                every, min(asked.rows, int(questions // (2 * timesteps))), timesteps, count
            )
    return None


@dataclass(frozen=True)
class Watched:
    """The pictures that a training is asked about."""

    trained: Sequence[ProbedPicture]
    held_out: Sequence[ProbedPicture]

    def few(self, rows: int) -> tuple[list[ProbedPicture], list[ProbedPicture]]:
        return list(self.trained[:rows]), list(self.held_out[:rows])


@dataclass(frozen=True)
class Look:
    """The losses of one look, n pictures × T timesteps on each side."""

    step: int
    trained: Array
    held_out: Array


@dataclass
class Watch:
    """Takes the looks of one training, and remembers them."""

    looks: Looks
    pictures: Watched
    file: Path | None
    """Where looks are kept for a restart; None in a process that does not lead."""
    history: list[Look] = field(default_factory=list)
    told: set[str] = field(default_factory=set)
    """The kinds of alerts that were told."""
    said: str = ""
    """The last figures in a few words."""

    def is_due(self, step: int) -> bool:
        """Return whether a look is to be taken after `step` steps, and was not yet."""
        return step % self.looks.every == 0 and all(look.step != step for look in self.history)

    def look(self, run: TrainingRun) -> tuple[dict[str, Any], list[str]]:
        """Ask the weights of this step; return the figures, and the alerts that are new."""
        if not self.history and run.step and run.team.leads:
            self._add(0, _asked_of(prepared_anew(run.spec, run.context.device), self, run))
        with run.exported_weights():
            self._add(run.step, _asked_of(run.models, self, run))
        facts = figures(self.history)
        self.said = in_words(facts)
        return facts, self._new_alerts()

    def restore(self, step: int) -> None:
        """Take up the looks that were taken until `step`."""
        assert self.file is not None
        kept = [look for look in _read(self.file) if look.step <= step]
        self.file.unlink(missing_ok=True)
        for look in kept:
            self._add(look.step, (look.trained, look.held_out))
            self._new_alerts()

    def _new_alerts(self) -> list[str]:
        """Return the alerts of the last look, each kind once a training."""
        found = alerts(self.history, self.looks.count)
        new = [text for kind, text in found.items() if kind not in self.told]
        self.told |= found.keys()
        return new

    def _add(self, step: int, losses: tuple[Array, Array]) -> None:
        self.history.append(Look(step, *losses))
        if self.file is not None:
            line = json.dumps({"step": step, "losses": [each.tolist() for each in losses]})
            with self.file.open("a", encoding="utf-8") as stream:
                stream.write(f"{line}\n")


def watch_of(run: TrainingRun, pictures: Watched | None) -> Watch | None:
    """Return the watch of a training, with the looks taken before it was interrupted."""
    asked = run.spec.train.validate_every
    if pictures is None or asked is None:
        return None
    looks = looks_of(run.spec.train)
    if looks is None or min(len(pictures.trained), len(pictures.held_out)) < LEAST:
        log.warning("train.validate_every is left out: there are too few pictures or steps for it")
        return None
    if looks.every != asked:
        log.warning(
            "the loss probe looks every %d steps: more often would take over 5 %% of the time",
            looks.every,
        )
    watch = Watch(looks, pictures, run.context.folder / HISTORY if run.team.leads else None)
    if run.team.leads:
        watch.restore(run.step)
    return watch


def _read(file: Path) -> Iterator[Look]:
    """Yield the looks of a file; a line that a kill cut off counts for nothing."""
    if not file.is_file():
        return
    for line in lines_of(file.read_bytes().decode("utf-8", "replace")):
        try:
            said = json.loads(line)
            losses = [np.array(each, np.float64) for each in said["losses"]]
            yield Look(int(said["step"]), losses[0], losses[1])
        except (ValueError, KeyError, TypeError, IndexError):
            continue


def _asked_of(models: TrainedModels, watch: Watch, run: TrainingRun) -> tuple[Array, Array]:
    trained, held_out = watch.pictures.few(watch.looks.rows)
    denoiser = denoiser_of(models, run.spec)
    grid = grid_of(watch.looks.timesteps, len(denoiser.kept))
    networks = [models.unet]
    if models.encoders is not None:
        networks += [models.encoders.first, models.encoders.second]
    with evaluating(networks):
        found = ask(denoiser, [*trained, *held_out], grid, max(1, run.objective.most))
    return found[: len(trained)], found[len(trained) :]


def denoiser_of(models: TrainedModels, spec: TrainSpec) -> Denoiser:
    """Return the models in training, as the loss probe asks them."""
    train = spec.train
    kept, prediction = schedule_of(spec.base, train.prediction, train.zero_terminal_snr)
    encoders: TextEncoders | None = models.encoders
    return Denoiser(models.unet, kept, prediction, models.device, encoders, spec.chunks)


def grid_of(timesteps: int, of: int) -> Grid:
    return Grid((EARLY * of // 1000,)) if timesteps == 1 else even_grid(timesteps, 1, of)


def prepared_anew(spec: TrainSpec, device: str) -> TrainedModels:
    """Return the models as they were before the first step; the random state stays as it was."""
    devices = [] if device == "cpu" else [torch.device(device)]
    with torch.random.fork_rng(devices):
        return prepare(spec, device)


def figures(history: Sequence[Look]) -> dict[str, Any]:
    """Return the figures of the last look, beside the base's."""
    base, last = history[0], history[-1]
    facts: dict[str, Any] = {"step": last.step}
    means = {
        "held_out_loss": last.held_out,
        "held_out_loss_base": base.held_out,
        "trained_loss": last.trained,
    }
    facts |= {name: round(float(each.mean()), 6) for name, each in means.items()}
    ends, found = _gain(base, last), _member(base, last)
    if ends is not None:
        facts |= dict(
            zip(("gain", "gain_low", "gain_high"), (round(x, 4) for x in ends), strict=True)
        )
    if found is not None:
        facts |= {"member_auc": round(found.auc, 4), "member_p": found.p}
    return {name: each for name, each in facts.items() if np.isfinite(each)}


def in_words(facts: dict[str, Any]) -> str:
    """Return the figures of a look in a few words."""
    words = [f"gain {100 * facts['gain']:+.1f} %"] if "gain" in facts else []
    words += [f"member test {facts['member_auc']:.2f}"] if "member_auc" in facts else []
    return ", ".join(words)


def alerts(history: Sequence[Look], count: int) -> dict[str, str]:
    """Return what is to be warned of at the last look of a history, by kind.

    `count` is how many looks the training takes in all, which a member test is corrected for.
    """
    base, last, found = history[0], history[-1], {}
    if not (np.isfinite(last.trained).all() and np.isfinite(last.held_out).all()):
        found["not-finite"] = f"a loss is not finite at step {last.step}"
    member = _member(base, last)
    if last.step and member is not None and member.significant(count):
        found["memorizing"] = (
            f"from step {last.step} on training pictures are known one by one: "
            f"member test {member.auc:.2f}, p {member.p:.4f}"
        )
    if _falls(history) and _falls(history[:-1]):
        best = _best(history[:-1])
        found["gain-falling"] = (
            f"the gain on held-out pictures falls: it was best at step {best.step}, "
            f"and is worse since step {history[-2].step}"
        )
    return found


def _falls(history: Sequence[Look]) -> bool:
    """Return whether the last look is surely worse on held-out pictures than the best before it."""
    if len(history) < 3:
        return False
    change = _gain(_best(history[:-1]), history[-1])
    return change is not None and change[2] < 0


def _best(history: Sequence[Look]) -> Look:
    finite = [look for look in history if np.isfinite(look.held_out).all()] or list(history)
    return min(finite, key=lambda look: float(look.held_out.mean()))


def _gain(base: Look, last: Look) -> Ends | None:
    return gain(Probed(base.held_out, last.held_out))


def _member(base: Look, last: Look) -> MemberTest | None:
    return member_test(Probed(base.trained, last.trained), Probed(base.held_out, last.held_out))
