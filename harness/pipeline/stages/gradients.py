"""Gradients: of every picture's loss by the adapter's weights, at the kept checkpoints, projected.

A piece is a block of pictures at one checkpoint. Its gradients are written whole, so that a kill
costs one piece, and memory holds one batch of them, however many pictures there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness.diffusion.load import load_text_encoders, load_unet
from harness.diffusion.memory import samples_per_pass
from harness.errors import TrainingError
from harness.interfaces import Progress, StageContext
from harness.pages.stages import GradientsSpec
from harness.pages.train import Train
from harness.pipeline.stages.files import Entry, read_index, write_index
from harness.pipeline.stages.finished import FinishedFiles
from harness.pipeline.stages.job import DoPiece
from harness.pipeline.stages.pieces import Piece, share
from harness.training.probe import (
    Denoiser,
    Grid,
    ProbedPicture,
    Question,
    even_grid,
    in_batches,
    schedule_of,
)
from harness.training.sample_gradients import Projection, SampleGradients, load_weights
from harness.training.sets import read_set, save_tensors
from harness.training.trained_models import make_trainable, weights_dtype
from harness.training.training_run import budget

BLOCK = 32
"""Pictures in one piece."""
SEED = 0
"""Of noises and of the projection."""


def take(spec: GradientsSpec, context: StageContext) -> None:
    """Write `gradients-*.safetensors`, a file a checkpoint and block of pictures, and the index."""
    entries = entries_of(context.inputs["latents"])
    finished = FinishedFiles(context.folder)
    pieces = [
        Piece({"step": step, "first": first}, len(entries[first : first + BLOCK]))
        for step in spec.checkpoints
        for first in range(0, len(entries), BLOCK)
    ]
    missing = [piece for piece in pieces if not finished.has(file_of(**piece.what))]
    done = sum(piece.size for piece in pieces) - sum(piece.size for piece in missing)
    share("gradients", spec, context, missing, done, "pictures")
    write_index(context.folder, entries)


def entries_of(latents: Path) -> list[Entry]:
    return read_index(latents)


def file_of(step: int, first: int) -> str:
    """Return the name of the file with the gradients of one piece."""
    return f"gradients-{step:08d}-{first:08d}.safetensors"


def piece_taker(spec: GradientsSpec, context: StageContext) -> DoPiece:
    """Return the function that does one piece; it keeps the last checkpoint loaded."""
    pictures = _pictures(context)
    load = lru_cache(1)(lambda step: _at(spec, context, step))
    finished = FinishedFiles(context.folder)

    def do_piece(what: Mapping[str, Any]) -> None:
        name = file_of(**what)
        if not finished.has(name):
            block = pictures[what["first"] : what["first"] + BLOCK]
            tensors = _gradients(spec, context, load(what["step"]), block)
            save_tensors(context.folder / name, tensors)
            finished.add(name)

    return do_piece


def _pictures(context: StageContext) -> list[ProbedPicture]:
    latents, texts = context.inputs["latents"], context.inputs["texts"]
    entries = entries_of(latents)
    data = read_set(latents, texts, [each.id for each in entries], [1.0] * len(entries))
    return [ProbedPicture(data, number, each.id) for number, each in enumerate(entries)]


def _at(spec: GradientsSpec, context: StageContext, step: int) -> SampleGradients:
    """Return what takes gradients of the adapter as it was after a step."""
    train, device = _without_dropout(spec.train), context.device
    dtype = weights_dtype(train, device)
    encoders = load_text_encoders(spec.base, device, dtype) if train.trains_text else None
    models = make_trainable(train, device, load_unet(spec.base, device, dtype), encoders)
    folder = context.inputs["train"]
    load_weights(models, folder if step == train.steps else folder / f"checkpoints/{step:06d}")
    kept, prediction = schedule_of(spec.base, train.prediction, train.zero_terminal_snr)
    denoiser = Denoiser(models.unet, kept, prediction, device, models.encoders, spec.chunks)
    return SampleGradients(models, denoiser, Projection(spec.dimensions, SEED))


def _without_dropout(train: Train) -> Train:
    assert train.adapter is not None
    adapter = train.adapter.model_copy(update={"dropout": 0.0})
    return train.model_copy(update={"adapter": adapter})


def _gradients(
    spec: GradientsSpec,
    context: StageContext,
    taker: SampleGradients,
    block: Sequence[ProbedPicture],
) -> dict[str, Tensor]:
    """Return loss, norm and direction of every gradient: pictures × points, and × dimensions."""
    grid = grid_of(spec)
    points = len(grid.points)
    questions = [Question(picture, *point) for picture in block for point in grid.points]
    places = {id(each): number for number, each in enumerate(questions)}
    losses = torch.empty(len(questions))
    vectors = torch.empty(len(questions), spec.dimensions)
    done = 0
    for group in in_batches(questions, _at_once(spec, context)):
        rows = torch.tensor([places[id(each)] for each in group])
        loss, vector = taker.take(group, SEED)
        losses[rows], vectors[rows] = loss.float().cpu(), vector.cpu()
        done += len(group)
        context.report(Progress(done // points, len(block), "pictures"))
    _require_finite(vectors, questions)
    norms = vectors.norm(dim=1, keepdim=True)
    units = vectors / norms.clamp(min=1e-30)
    return {
        "losses": losses.view(len(block), points),
        "norms": norms.view(len(block), points),
        "units": units.half().view(len(block), points, -1),
    }


def grid_of(spec: GradientsSpec) -> Grid:
    kept, _ = schedule_of(spec.base)
    return even_grid(spec.timesteps, spec.noises, len(kept))


def _at_once(spec: GradientsSpec, context: StageContext) -> int:
    """Return how many gradients are taken in one pass."""
    fits = samples_per_pass(spec.train, spec.base.model, budget(context.device))
    return max(1, min(fits, context.batch))


def _require_finite(vectors: Tensor, questions: Sequence[Question]) -> None:
    """Refuse gradients that are not finite, by the name of their picture."""
    is_bad = ~torch.isfinite(vectors).all(1)
    if is_bad.any():
        name = questions[int(is_bad.nonzero()[0, 0])].picture.id
        raise TrainingError(
            f"the gradient of {name} is not finite",
            hint="train in bf16 or fp32, or look at this picture",
        )
