"""Train: from encoded sets to an adapter, or to new weights of whole models."""

from __future__ import annotations

import time

from harness.errors import TrainingError
from harness.interfaces import StageContext
from harness.pages.stages import TrainSpec
from harness.pages.validation import Side, Validation
from harness.pipeline.stages.files import read_index
from harness.pipeline.stages.launch import run_together
from harness.pipeline.stages.pieces import delegate
from harness.pipeline.stages.probe import probed_pictures
from harness.records import StepName
from harness.training import loop
from harness.training.determinism import repeatable
from harness.training.journal import forget_peak
from harness.training.probe import ProbedPicture
from harness.training.sets import EncodedSet, read_set
from harness.training.sharding import can_shard, shard
from harness.training.team import join
from harness.training.trained_models import prepare
from harness.training.validation import Watched


def train(spec: TrainSpec, context: StageContext) -> None:
    """Write `adapter.safetensors` or the trained models, checkpoints, and the log of every step."""
    if context.pool is not None:
        return delegate("train", spec, context)
    if context.processes > 1 and context.rank is None:
        return run_together("train", spec, context)
    sets, class_set = read_sets(spec, context)
    for each in sets:
        if len(each) < spec.train.batch:
            raise TrainingError(
                f"{len(each)} pictures are fewer than one batch of {spec.train.batch}",
                hint="lower train.batch, or loosen data.curate",
            )
    with repeatable(spec.train):
        forget_peak(context.device)
        team = join(context.rank, context.device)
        began = time.perf_counter()
        models = prepare(spec, context.device)
        loading = time.perf_counter() - began
        if can_shard(spec.train, team):
            shard(models.by_part.values(), context.device)
        loop.train(spec, sets, class_set, models, team, context, watched(spec, context))
    context.notes["time_split"]["models"] = round(loading, 3)


def watched(spec: TrainSpec, context: StageContext) -> Watched | None:
    """Return the pictures that the loss probe looks at while training goes on, if it does."""
    if spec.train.validate_every is None:
        return None
    rows = (spec.train.validation or Validation()).rows
    found = probed_pictures(context, max(spec.phase_sets) + 1, rows)
    by_side: dict[Side, list[ProbedPicture]] = {"trained": [], "held-out": []}
    for side, picture, _ in found:
        by_side[side].append(picture)
    return Watched(by_side["trained"], by_side["held-out"])


def read_sets(spec: TrainSpec, context: StageContext) -> tuple[list[EncodedSet], EncodedSet | None]:
    """Return the sets that the phases train on, and the set of class images if there is one."""
    sets = [_set(context, f"{number}") for number in range(max(spec.phase_sets) + 1)]
    return sets, _set(context, "class") if spec.train.prior is not None else None


def _set(context: StageContext, name: str) -> EncodedSet:
    latents, texts = (context.inputs[str(StepName(role, name))] for role in ("latents", "texts"))
    entries = read_index(latents)
    names = [entry.file or entry.id for entry in entries]
    return read_set(latents, texts, names, [entry.weight for entry in entries])
