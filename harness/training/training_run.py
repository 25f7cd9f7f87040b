"""One training run on its way: what it trains, on what, how far it is, and its state on disk."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from harness import plugins
from harness.diffusion.fused import Casts
from harness.diffusion.load import dtype_for
from harness.diffusion.memory import CPU_BUDGET, CUDA_SHARE
from harness.interfaces import StageContext
from harness.pages.stages import TrainSpec
from harness.training.averages import Averages
from harness.training.checkpoint import read_state, write_state
from harness.training.journal import Clock
from harness.training.objective import Objective
from harness.training.optimizers import averaged, weight_decay_for
from harness.training.passes import SampleOrder
from harness.training.reader import Reader, passes_ahead
from harness.training.scale import Scale, scale_for
from harness.training.sets import EncodedSet
from harness.training.sharding import is_shard, shard_of
from harness.training.team import Team
from harness.training.trained_models import TrainedModels

log = logging.getLogger(__name__)
STATE = "scratch-state.safetensors"


@dataclass
class TrainingRun:
    """Everything that a step reads and changes."""

    spec: TrainSpec
    models: TrainedModels
    sample_order: SampleOrder
    objective: Objective
    reader: Reader
    casts: Casts
    optimizer: torch.optim.Optimizer
    averages: Averages | None
    scale: Scale
    team: Team
    clock: Clock
    context: StageContext
    step: int = 0
    """Optimizer steps that are done."""

    @cached_property
    def parameters(self) -> list[Tensor]:
        return [parameter for part in self.models.parts.values() for parameter in part]

    @cached_property
    def is_sharded(self) -> bool:
        return any(is_shard(parameter) for parameter in self.parameters)

    @contextmanager
    def exported_weights(self) -> Iterator[None]:
        """Put the weights that are exported, such as running means, in place during the block."""
        means = self.averages
        in_place = nullcontext() if means is None else means.in_place(self.models.tensors)
        with averaged(self.optimizer), in_place:
            yield


def begin(
    spec: TrainSpec,
    sets: Sequence[EncodedSet],
    class_set: EncodedSet | None,
    models: TrainedModels,
    team: Team,
    context: StageContext,
) -> TrainingRun:
    """Return the run before its first step."""
    train = spec.train
    order = SampleOrder(spec, sets, class_set, team)
    objective = Objective(spec, models, budget(context.device))
    return TrainingRun(
        spec=spec,
        models=models,
        sample_order=order,
        objective=objective,
        casts=Casts(models.by_part.values()),
        reader=Reader(train, order, objective, passes_ahead(models)),
        optimizer=_optimizer(models),
        averages=Averages(models.tensors, train.ema.decay) if train.ema else None,
        scale=scale_for(dtype_for(train.precision, context.device)),
        team=team,
        clock=Clock(),
        context=context,
    )


def budget(device: str) -> int:
    """Return the bytes that one pass may use, weights included."""
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


def restore(run: TrainingRun) -> None:
    """Go on from the state in the run's folder, if there is one."""
    file = run.context.folder / STATE
    if not file.exists():
        return
    stored, facts = read_state(file, run.optimizer)
    with torch.no_grad():
        for name, parameter in run.models.tensors.items():
            parameter.copy_(shard_of(stored[name], parameter))
    if run.averages is not None:
        means = run.averages.means.items()
        run.averages.restore({name: shard_of(stored[f"mean/{name}"], mean) for name, mean in means})
    run.step = facts["step"]
    run.scale = Scale(**facts["scale"])
    log.info("training goes on at step %d of %d", run.step, run.spec.train.steps)


def save(run: TrainingRun) -> None:
    """Write the state from which a killed run goes on."""
    tensors: dict[str, Tensor] = dict(run.models.tensors)
    if run.averages is not None:
        tensors |= {f"mean/{name}": mean for name, mean in run.averages.means.items()}
    facts = {"step": run.step, "scale": vars(run.scale)}
    write_state(run.context.folder / STATE, tensors, run.optimizer, facts, run.team.leads)
