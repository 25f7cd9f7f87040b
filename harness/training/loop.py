"""The training loop: from encoded sets to trained weights, resumable at any optimizer step.

All randomness belongs to (seed, step, sample). So a run that was killed goes on bit for bit as
if it had not been, and neither merging micro-batches nor sharing them out changes what is
learned beyond the order of additions.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness import plugins
from harness.diffusion.load import dtype_for
from harness.diffusion.memory import CPU_BUDGET, CUDA_SHARE
from harness.errors import TrainingError
from harness.interfaces import Progress, StageContext
from harness.pages.stages import TrainSpec
from harness.training.averages import Averages
from harness.training.checkpoint import read_state, write_state
from harness.training.journal import Clock, Log, Tracker, peak_memory_mb
from harness.training.objective import Objective
from harness.training.optimizers import averaged, weight_decay_for
from harness.training.passes import Sample, SampleOrder, in_passes
from harness.training.previews import draw_previews
from harness.training.scale import Scale, scale_for
from harness.training.schedules import multiplier_at
from harness.training.sets import EncodedSet
from harness.training.sharding import is_share, share_of, take_step, whole
from harness.training.team import Team
from harness.training.trained_models import TrainedModels, keep

log = logging.getLogger(__name__)
STATE = "scratch-state.safetensors"
SECONDS_BETWEEN_STATES = 20.0
LIMIT = 1e5
"""A loss past which nothing is learned any more: an untrained network's is about one, and the
largest weight of a timestep about a thousand."""
SHARE_OF_STATES = 0.05
"""How much of the time at most goes into writing states."""


@dataclass
class TrainingRun:
    """One run on its way: what it trains, on what, and how far it has come."""

    spec: TrainSpec
    models: TrainedModels
    sample_order: SampleOrder
    objective: Objective
    optimizer: torch.optim.Optimizer
    averages: Averages | None
    scale: Scale
    team: Team
    clock: Clock
    place: StageContext
    step: int = 0

    @cached_property
    def parameters(self) -> list[Tensor]:
        return [one for part in self.models.parts.values() for one in part]

    @cached_property
    def is_sharded(self) -> bool:
        return any(is_share(one) for one in self.parameters)


def run(
    spec: TrainSpec,
    sets: Sequence[EncodedSet],
    class_set: EncodedSet | None,
    models: TrainedModels,
    team: Team,
    place: StageContext,
) -> None:
    """Train to the last step of the last phase, going on from the state in the folder if any."""
    train = spec.train
    training = begin(spec, sets, class_set, models, team, place)
    _restore(training)
    journal = Log(place.folder / "log.jsonl", training.step) if team.leads else None
    tracker = Tracker(train, place.logs if team.leads else None, place.folder.name, place.device)
    saved, pause = time.monotonic(), SECONDS_BETWEEN_STATES
    while training.step < train.steps:
        began = time.perf_counter()
        facts = _one_step(training)
        training.step += 1
        if journal is not None:
            journal.add(facts)
            _tell(training, journal, tracker, facts, time.perf_counter() - began)
        due = train.checkpoint_every and training.step % train.checkpoint_every == 0
        if due:
            _keep_checkpoint(training)
        late = time.monotonic() - saved > pause
        if due or team.gather(late)[0]:  # by the first one's watch
            if journal is not None:
                journal.settle()
            saved = time.monotonic()
            _write(training)
            took = time.monotonic() - saved
            saved, pause = saved + took, max(SECONDS_BETWEEN_STATES, took / SHARE_OF_STATES)
    if journal is not None:
        journal.close()
    with _as_shown(training):
        keep(models, spec, place.folder, team.leads)
    tracker.close()
    place.notes.update(_account(training))
    team.wait()


def begin(
    spec: TrainSpec,
    sets: Sequence[EncodedSet],
    class_set: EncodedSet | None,
    models: TrainedModels,
    team: Team,
    place: StageContext,
) -> TrainingRun:
    """Return the run before its first step."""
    train = spec.train
    return TrainingRun(
        spec=spec,
        models=models,
        sample_order=SampleOrder(spec, sets, class_set, team),
        objective=Objective(spec, models, budget(place.device)),
        optimizer=_optimizer(models),
        averages=Averages(models.tensors, train.ema.decay) if train.ema else None,
        scale=scale_for(dtype_for(train.precision, place.device)),
        team=team,
        clock=Clock(),
        place=place,
    )


def budget(device: str) -> int:
    if device == "cpu":
        return CPU_BUDGET
    return int(CUDA_SHARE * torch.cuda.get_device_properties(device).total_memory)


def _optimizer(models: TrainedModels) -> torch.optim.Optimizer:
    spec = models.train.optimizer
    groups = [
        {
            "params": parameters,
            "lr": models.train.phases[0].rate,
            "weight_decay": weight_decay_for(spec, part),
        }
        for part, parameters in models.parts.items()
    ]
    optimizer: torch.optim.Optimizer = plugins.implementation(spec)(spec, groups)
    return optimizer


def _restore(training: TrainingRun) -> None:
    file = training.place.folder / STATE
    if not file.exists():
        return
    stored, facts = read_state(file, training.optimizer)
    with torch.no_grad():
        for name, parameter in training.models.tensors.items():
            parameter.copy_(share_of(stored[name], parameter))
    if training.averages is not None:
        means = training.averages.means.items()
        training.averages.restore(
            {name: share_of(stored[f"mean/{name}"], mean) for name, mean in means}
        )
    training.step = facts["step"]
    training.scale = Scale(**facts["scale"])
    log.info("training goes on at step %d of %d", training.step, training.spec.train.steps)


def _write(training: TrainingRun) -> None:
    tensors: dict[str, Tensor] = dict(training.models.tensors)
    if training.averages is not None:
        tensors |= {f"mean/{name}": mean for name, mean in training.averages.means.items()}
    facts = {"step": training.step, "scale": vars(training.scale)}
    write_state(
        training.place.folder / STATE, tensors, training.optimizer, facts, training.team.leads
    )


def _one_step(training: TrainingRun) -> dict[str, Any]:
    """Take one optimizer step; return what the log says of it."""
    train, models = training.spec.train, training.models
    phase, factor = multiplier_at(train, training.step)
    rates = _rates(training, phase)
    for group, rate in zip(training.optimizer.param_groups, rates, strict=True):
        group["lr"] = rate * factor
    samples = training.sample_order.samples(phase, training.step)
    while True:
        loss = _gradients(training, samples)
        with training.clock.on("optimizer"):
            _rest(training, rates)
            norm = whole(torch.nn.utils.clip_grad_norm_(training.parameters, train.max_grad_norm))
        value, length = float(loss), float(norm)
        if math.isfinite(value) and math.isfinite(length) and value < LIMIT:
            break
        if not (value < LIMIT and training.scale.burst()):
            raise _divergence(training, samples, value)
    with training.clock.on("optimizer"):
        take_step(training.optimizer, train.optimizer.state_scope)
        training.scale.held()
        if training.averages is not None:
            training.averages.add(models.tensors, training.step)
    facts = {
        "step": training.step + 1,
        "loss": round(value, 6),
        "rate": rates[0] * factor,
        "grad_norm": round(length, 6),
    }
    step_size = training.optimizer.param_groups[0].get("d")
    if step_size is not None:
        facts["d"] = float(step_size)
    if training.scale.moves:
        facts["overflows"] = training.scale.overflows
    return facts


def _rates(training: TrainingRun, phase: int) -> list[float]:
    """Return the rate of every part in this phase, unscheduled; a part without one rests."""
    asked = training.spec.train.phases[phase]
    first, second = asked.text_encoder_rates or (0.0, 0.0)
    by_part = {
        "unet": asked.rate,
        "text_encoder": first,
        "text_encoder_2": second,
        "tokens": asked.token_rate or 0.0,
    }
    return [by_part[part] for part in training.models.parts]


def _rest(training: TrainingRun, rates: Sequence[float]) -> None:
    """Take the gradients from parts that rest: else they would gather in the moments unseen."""
    for rate, parameters in zip(rates, training.models.parts.values(), strict=True):
        if not rate:
            for parameter in parameters:
                parameter.grad = None


def _gradients(training: TrainingRun, samples: Sequence[Sample]) -> Tensor:
    """Fill the gradients of one step from all of its samples; return the mean loss."""
    train, objective = training.spec.train, training.objective
    training.optimizer.zero_grad(set_to_none=True)
    total = torch.zeros((), device=training.models.device)
    for group, counts in _in_step(training, in_passes(samples, objective.most)):
        with training.clock.on("data"):
            content = objective.read(group)
        with training.clock.on("unet"):
            loss = counts * objective.loss(content) / train.effective_batch
            (loss * training.scale.value).backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
    total = training.team.add_up(training.parameters, total)  # type: ignore[arg-type]
    if training.scale.moves:
        for parameter in training.parameters:
            if parameter.grad is not None:
                parameter.grad /= training.scale.value
    return total


def _in_step(
    training: TrainingRun, groups: list[tuple[Sample, ...]]
) -> list[tuple[tuple[Sample, ...], float]]:
    """Return the passes and what they count: as many as any process has, where all must compute."""
    spare = max(training.team.gather(len(groups))) - len(groups) if training.is_sharded else 0
    return [*((group, 1.0) for group in groups), *[((training.sample_order.idle,), 0.0)] * spare]


def _one_by_one(training: TrainingRun, samples: Sequence[Sample]) -> list[tuple[Sample, float]]:
    """Return the samples and what they count: where gradients are sums, one in all processes."""
    if not training.is_sharded:
        return [(sample, 1.0) for sample in samples]
    mine, idle = training.team.rank, training.sample_order.idle
    turns = [
        (rank, number)
        for rank, count in enumerate(training.team.gather(len(samples)))
        for number in range(count)
    ]
    return [(samples[number], 1.0) if rank == mine else (idle, 0.0) for rank, number in turns]


def _divergence(training: TrainingRun, samples: Sequence[Sample], value: float) -> TrainingError:
    """Return the error that names the step and the samples whose loss or gradient is to blame."""
    blamed = []
    for sample, counts in _one_by_one(training, samples):
        training.optimizer.zero_grad(set_to_none=True)
        loss = counts * training.objective.loss(training.objective.read([sample]))
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = [one.grad for one in training.parameters if one.grad is not None]
        length = whole(torch.nn.utils.get_total_norm(gradients))
        if counts and not (float(loss.detach()) < LIMIT and math.isfinite(float(length))):
            blamed.append(sample.name)
    blamed = [name for names in training.team.gather(blamed) for name in names]
    whose = f", from {', '.join(dict.fromkeys(blamed))[:200]}" if blamed else ""
    what = f"the loss is {value:.4g}" if not value < LIMIT else "the gradients are not finite"
    checkpoints = sorted((training.place.folder / "checkpoints").glob("*"))
    kept = f"; the last checkpoint is {checkpoints[-1]}" if checkpoints else ""
    return TrainingError(
        f"{what} at step {training.step + 1}{whose}",
        hint=f"lower the rate, or train in fp32{kept}",
    )


@contextmanager
def _as_shown(training: TrainingRun) -> Iterator[None]:
    """Let the weights be those that are exported while the block runs."""
    means = training.averages
    shown = nullcontext() if means is None else means.in_place(training.models.tensors)
    with averaged(training.optimizer), shown:
        yield


def _keep_checkpoint(training: TrainingRun) -> None:
    folder = training.place.folder / "checkpoints" / f"{training.step:06d}"
    with _as_shown(training):
        keep(training.models, training.spec, folder, training.team.leads)
        if training.spec.train.previews:
            _draw(training, folder)


def _draw(training: TrainingRun, folder: Path) -> None:
    """Let the process that leads draw; where weights are sharded, all do, for one folder."""
    if training.team.leads:
        draw_previews(training.models, training.spec, folder)
    elif training.is_sharded:
        with TemporaryDirectory() as unseen:
            draw_previews(training.models, training.spec, Path(unseen))


def _tell(
    training: TrainingRun, journal: Log, tracker: Tracker, facts: Mapping[str, Any], seconds: float
) -> None:
    timing = {
        "seconds": round(seconds, 4),
        "images_per_second": round(training.spec.train.effective_batch / seconds, 2),
        "memory_mb": peak_memory_mb(training.place.device),
    }
    recent = float(np.mean(journal.losses[-25:]))
    total = training.spec.train.steps
    training.place.report(Progress(training.step, total, f"loss {recent:.4f}", {**facts, **timing}))
    tracker.add({**facts, **timing}, training.step)


def _account(training: TrainingRun) -> dict[str, Any]:
    """Return what the provenance says of the run."""
    device = training.place.device
    return {
        "world_size": training.team.size,
        "sharded": training.is_sharded,
        "effective_batch": training.spec.train.effective_batch,
        "samples_per_pass": training.objective.most,
        "determinism": "bitwise" if device == "cpu" else "best-effort",
        "peak_memory_mb": peak_memory_mb(device),
        "overflows": training.scale.overflows,
        "time_split": {name: round(value, 3) for name, value in training.clock.spent.items()},
    }
