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
from harness.training.objective import Teacher
from harness.training.optimizers import averaged, weight_decay_for
from harness.training.passes import Curriculum, Sample, in_passes
from harness.training.previews import draw_previews
from harness.training.scale import Scale, scale_for
from harness.training.schedules import multiplier_at
from harness.training.sets import EncodedSet
from harness.training.sharding import is_share, share_of, take_step, whole
from harness.training.team import Team
from harness.training.trained_models import Trainee, keep

log = logging.getLogger(__name__)
STATE = "scratch-state.safetensors"
SECONDS_BETWEEN_STATES = 20.0
LIMIT = 1e5
"""A loss past which nothing is learned any more: an untrained network's is about one, and the
largest weight of a timestep about a thousand."""
SHARE_OF_STATES = 0.05
"""How much of the time at most goes into writing states."""


@dataclass
class Course:
    """One run on its way: what it trains, on what, and how far it has come."""

    spec: TrainSpec
    trainee: Trainee
    curriculum: Curriculum
    teacher: Teacher
    optimizer: torch.optim.Optimizer
    averages: Averages | None
    scale: Scale
    team: Team
    clock: Clock
    place: StageContext
    step: int = 0

    @cached_property
    def parameters(self) -> list[Tensor]:
        return [one for part in self.trainee.parts.values() for one in part]

    @cached_property
    def is_sharded(self) -> bool:
        return any(is_share(one) for one in self.parameters)


def run(
    spec: TrainSpec,
    sets: Sequence[EncodedSet],
    class_set: EncodedSet | None,
    trainee: Trainee,
    team: Team,
    place: StageContext,
) -> None:
    """Train to the last step of the last phase, going on from the state in the folder if any."""
    train = spec.train
    course = begin(spec, sets, class_set, trainee, team, place)
    _restore(course)
    journal = Log(place.folder / "log.jsonl", course.step) if team.leads else None
    tracker = Tracker(train, place.logs if team.leads else None, place.folder.name, place.device)
    saved, pause = time.monotonic(), SECONDS_BETWEEN_STATES
    while course.step < train.steps:
        began = time.perf_counter()
        facts = _one_step(course)
        course.step += 1
        if journal is not None:
            journal.add(facts)
            _tell(course, journal, tracker, facts, time.perf_counter() - began)
        due = train.checkpoint_every and course.step % train.checkpoint_every == 0
        if due:
            _keep_checkpoint(course)
        late = time.monotonic() - saved > pause
        if due or team.gather(late)[0]:  # by the first one's watch
            if journal is not None:
                journal.settle()
            saved = time.monotonic()
            _write(course)
            took = time.monotonic() - saved
            saved, pause = saved + took, max(SECONDS_BETWEEN_STATES, took / SHARE_OF_STATES)
    if journal is not None:
        journal.close()
    with _as_shown(course):
        keep(trainee, spec, place.folder, team.leads)
    tracker.close()
    place.notes.update(_account(course))
    team.wait()


def begin(
    spec: TrainSpec,
    sets: Sequence[EncodedSet],
    class_set: EncodedSet | None,
    trainee: Trainee,
    team: Team,
    place: StageContext,
) -> Course:
    """Return the run before its first step."""
    train = spec.train
    return Course(
        spec=spec,
        trainee=trainee,
        curriculum=Curriculum(spec, sets, class_set, team),
        teacher=Teacher(spec, trainee, budget(place.device)),
        optimizer=_optimizer(trainee),
        averages=Averages(trainee.tensors, train.ema.decay) if train.ema else None,
        scale=scale_for(dtype_for(train.precision, place.device)),
        team=team,
        clock=Clock(),
        place=place,
    )


def budget(device: str) -> int:
    if device == "cpu":
        return CPU_BUDGET
    return int(CUDA_SHARE * torch.cuda.get_device_properties(device).total_memory)


def _optimizer(trainee: Trainee) -> torch.optim.Optimizer:
    spec = trainee.train.optimizer
    groups = [
        {
            "params": parameters,
            "lr": trainee.train.phases[0].rate,
            "weight_decay": weight_decay_for(spec, part),
        }
        for part, parameters in trainee.parts.items()
    ]
    optimizer: torch.optim.Optimizer = plugins.implementation(spec)(spec, groups)
    return optimizer


def _restore(course: Course) -> None:
    file = course.place.folder / STATE
    if not file.exists():
        return
    stored, facts = read_state(file, course.optimizer)
    with torch.no_grad():
        for name, parameter in course.trainee.tensors.items():
            parameter.copy_(share_of(stored[name], parameter))
    if course.averages is not None:
        means = course.averages.means.items()
        course.averages.restore(
            {name: share_of(stored[f"mean/{name}"], mean) for name, mean in means}
        )
    course.step = facts["step"]
    course.scale = Scale(**facts["scale"])
    log.info("training goes on at step %d of %d", course.step, course.spec.train.steps)


def _write(course: Course) -> None:
    tensors: dict[str, Tensor] = dict(course.trainee.tensors)
    if course.averages is not None:
        tensors |= {f"mean/{name}": mean for name, mean in course.averages.means.items()}
    facts = {"step": course.step, "scale": vars(course.scale)}
    write_state(course.place.folder / STATE, tensors, course.optimizer, facts, course.team.leads)


def _one_step(course: Course) -> dict[str, Any]:
    """Take one optimizer step; return what the log says of it."""
    train, trainee = course.spec.train, course.trainee
    phase, factor = multiplier_at(train, course.step)
    rates = _rates(course, phase)
    for group, rate in zip(course.optimizer.param_groups, rates, strict=True):
        group["lr"] = rate * factor
    samples = course.curriculum.samples(phase, course.step)
    while True:
        loss = _gradients(course, samples)
        with course.clock.on("optimizer"):
            _rest(course, rates)
            norm = whole(torch.nn.utils.clip_grad_norm_(course.parameters, train.max_grad_norm))
        value, length = float(loss), float(norm)
        if math.isfinite(value) and math.isfinite(length) and value < LIMIT:
            break
        if not (value < LIMIT and course.scale.burst()):
            raise _divergence(course, samples, value)
    with course.clock.on("optimizer"):
        take_step(course.optimizer, train.optimizer.state_scope)
        course.scale.held()
        if course.averages is not None:
            course.averages.add(trainee.tensors, course.step)
    facts = {
        "step": course.step + 1,
        "loss": round(value, 6),
        "rate": rates[0] * factor,
        "grad_norm": round(length, 6),
    }
    step_size = course.optimizer.param_groups[0].get("d")
    if step_size is not None:
        facts["d"] = float(step_size)
    if course.scale.moves:
        facts["overflows"] = course.scale.overflows
    return facts


def _rates(course: Course, phase: int) -> list[float]:
    """Return the rate of every part in this phase, unscheduled; a part without one rests."""
    asked = course.spec.train.phases[phase]
    first, second = asked.text_encoder_rates or (0.0, 0.0)
    by_part = {
        "unet": asked.rate,
        "text_encoder": first,
        "text_encoder_2": second,
        "tokens": asked.token_rate or 0.0,
    }
    return [by_part[part] for part in course.trainee.parts]


def _rest(course: Course, rates: Sequence[float]) -> None:
    """Take the gradients from parts that rest: else they would gather in the moments unseen."""
    for rate, parameters in zip(rates, course.trainee.parts.values(), strict=True):
        if not rate:
            for parameter in parameters:
                parameter.grad = None


def _gradients(course: Course, samples: Sequence[Sample]) -> Tensor:
    """Fill the gradients of one step from all of its samples; return the mean loss."""
    train, teacher = course.spec.train, course.teacher
    course.optimizer.zero_grad(set_to_none=True)
    total = torch.zeros((), device=course.trainee.device)
    for group, counts in _in_step(course, in_passes(samples, teacher.most)):
        with course.clock.on("data"):
            content = teacher.read(group)
        with course.clock.on("unet"):
            loss = counts * teacher.loss(content) / train.effective_batch
            (loss * course.scale.value).backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
    total = course.team.add_up(course.parameters, total)  # type: ignore[arg-type]
    if course.scale.moves:
        for parameter in course.parameters:
            if parameter.grad is not None:
                parameter.grad /= course.scale.value
    return total


def _in_step(
    course: Course, groups: list[tuple[Sample, ...]]
) -> list[tuple[tuple[Sample, ...], float]]:
    """Return the passes and what they count: as many as any process has, where all must compute."""
    spare = max(course.team.gather(len(groups))) - len(groups) if course.is_sharded else 0
    return [*((group, 1.0) for group in groups), *[((course.curriculum.idle,), 0.0)] * spare]


def _one_by_one(course: Course, samples: Sequence[Sample]) -> list[tuple[Sample, float]]:
    """Return the samples and what they count: where gradients are sums, one in all processes."""
    if not course.is_sharded:
        return [(sample, 1.0) for sample in samples]
    mine, idle = course.team.rank, course.curriculum.idle
    turns = [
        (rank, number)
        for rank, count in enumerate(course.team.gather(len(samples)))
        for number in range(count)
    ]
    return [(samples[number], 1.0) if rank == mine else (idle, 0.0) for rank, number in turns]


def _divergence(course: Course, samples: Sequence[Sample], value: float) -> TrainingError:
    """Return the error that names the step and the samples whose loss or gradient is to blame."""
    blamed = []
    for sample, counts in _one_by_one(course, samples):
        course.optimizer.zero_grad(set_to_none=True)
        loss = counts * course.teacher.loss(course.teacher.read([sample]))
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = [one.grad for one in course.parameters if one.grad is not None]
        length = whole(torch.nn.utils.get_total_norm(gradients))
        if counts and not (float(loss.detach()) < LIMIT and math.isfinite(float(length))):
            blamed.append(sample.name)
    blamed = [name for names in course.team.gather(blamed) for name in names]
    whose = f", from {', '.join(dict.fromkeys(blamed))[:200]}" if blamed else ""
    what = f"the loss is {value:.4g}" if not value < LIMIT else "the gradients are not finite"
    checkpoints = sorted((course.place.folder / "checkpoints").glob("*"))
    kept = f"; the last checkpoint is {checkpoints[-1]}" if checkpoints else ""
    return TrainingError(
        f"{what} at step {course.step + 1}{whose}",
        hint=f"lower the rate, or train in fp32{kept}",
    )


@contextmanager
def _as_shown(course: Course) -> Iterator[None]:
    """Let the weights be those that are exported while the block runs."""
    means = course.averages
    shown = nullcontext() if means is None else means.in_place(course.trainee.tensors)
    with averaged(course.optimizer), shown:
        yield


def _keep_checkpoint(course: Course) -> None:
    folder = course.place.folder / "checkpoints" / f"{course.step:06d}"
    with _as_shown(course):
        keep(course.trainee, course.spec, folder, course.team.leads)
        if course.spec.train.previews:
            _draw(course, folder)


def _draw(course: Course, folder: Path) -> None:
    """Let the process that leads draw; where weights are sharded, all do, for one folder."""
    if course.team.leads:
        draw_previews(course.trainee, course.spec, folder)
    elif course.is_sharded:
        with TemporaryDirectory() as unseen:
            draw_previews(course.trainee, course.spec, Path(unseen))


def _tell(
    course: Course, journal: Log, tracker: Tracker, facts: Mapping[str, Any], seconds: float
) -> None:
    timing = {
        "seconds": round(seconds, 4),
        "images_per_second": round(course.spec.train.effective_batch / seconds, 2),
        "memory_mb": peak_memory_mb(course.place.device),
    }
    recent = float(np.mean(journal.losses[-25:]))
    total = course.spec.train.steps
    course.place.report(Progress(course.step, total, f"loss {recent:.4f}", {**facts, **timing}))
    tracker.add({**facts, **timing}, course.step)


def _account(course: Course) -> dict[str, Any]:
    """Return what the provenance says of the run."""
    device = course.place.device
    return {
        "world_size": course.team.size,
        "sharded": course.is_sharded,
        "effective_batch": course.spec.train.effective_batch,
        "samples_per_pass": course.teacher.most,
        "determinism": "bitwise" if device == "cpu" else "best-effort",
        "peak_memory_mb": peak_memory_mb(device),
        "overflows": course.scale.overflows,
        "time_split": {name: round(value, 3) for name, value in course.clock.spent.items()},
    }
