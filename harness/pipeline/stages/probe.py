"""Probe: the loss of the base and of every kept checkpoint, picture by picture.

The pictures are some of those trained on and those held out. They are cut into blocks; a piece is
one block asked of one checkpoint, and its losses are written whole, so that a kill costs one piece.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harness.diffusion.load import TextEncoders
from harness.files import write_json
from harness.interfaces import Progress, StageContext
from harness.pages.benchmark import Prompt, Sampler
from harness.pages.stages import ProbeSpec, SampleSpec
from harness.pages.validation import Side
from harness.pipeline.results.tables import TABLES
from harness.pipeline.stages.draw import pipeline_of
from harness.pipeline.stages.files import Entry, read_index
from harness.pipeline.stages.finished import FinishedFiles
from harness.pipeline.stages.job import DoPiece
from harness.pipeline.stages.pieces import Piece, share
from harness.records import StepName
from harness.training.probe import (
    Denoiser,
    Grid,
    ProbedPicture,
    ask,
    chosen,
    even_grid,
    schedule_of,
)
from harness.training.sets import read_set

BLOCK = 16
"""Pictures in one piece."""
FOLDER = "scratch-losses"
Probed = tuple[Side, ProbedPicture, Entry]
"""A picture with its side and what is known of it."""


def probe(spec: ProbeSpec, context: StageContext) -> None:
    """Write `probe.parquet`: a row a checkpoint and picture, with its losses by timestep."""
    pictures = probed_pictures(context, spec.sets, spec.rows)
    pieces = [
        Piece({"step": step, "first": first}, len(pictures[first : first + BLOCK]))
        for step in _steps(spec)
        for first in range(0, len(pictures), BLOCK)
    ]
    (context.folder / FOLDER).mkdir(exist_ok=True)
    finished = FinishedFiles(context.folder)
    missing = [piece for piece in pieces if not finished.has(_file(**piece.what))]
    done = sum(piece.size for piece in pieces) - sum(piece.size for piece in missing)
    share("probe", spec, context, missing, done, "pictures")
    rows = [row for piece in pieces for row in _rows(spec, context.folder, pictures, piece)]
    table = pa.Table.from_pylist(rows, TABLES["probe"])
    pq.write_table(table, context.folder / "probe.parquet")


def grid_of(spec: ProbeSpec) -> Grid:
    kept, _ = schedule_of(spec.base)
    return even_grid(spec.timesteps, spec.noises, len(kept))


def _steps(spec: ProbeSpec) -> list[int]:
    """Return the steps that are asked: 0 is the base."""
    return [0, *spec.checkpoints, spec.steps]


def _file(step: int, first: int) -> str:
    return f"{FOLDER}/{step:08d}-{first:06d}.json"


def probed_pictures(context: StageContext, sets: int, rows: int) -> list[Probed]:
    """Return the pictures that are asked about, at most so many rows a side: trained ones first."""
    trained = [
        each for number in range(sets) for each in _pictures(context, f"{number}", "trained")
    ]
    first = {each[1].id: each for each in reversed(trained)}  # a row that several sets hold, once
    held_out = _pictures(context, "held", "held-out")
    return [*_few(list(first.values()), rows), *_few(held_out, rows)]


def _few(pictures: Sequence[Probed], rows: int) -> list[Probed]:
    return [pictures[at] for at in chosen([each[1].id for each in pictures], rows)]


def _pictures(context: StageContext, name: str, side: Side) -> list[Probed]:
    """Return the pictures of one set that was prepared."""
    latents, texts = (context.inputs[str(StepName(role, name))] for role in ("latents", "texts"))
    entries = read_index(latents)
    data = read_set(latents, texts, [each.id for each in entries], [1.0] * len(entries))
    return [
        (side, ProbedPicture(data, number, entry.id), entry) for number, entry in enumerate(entries)
    ]


def piece_asker(spec: ProbeSpec, context: StageContext) -> DoPiece:
    """Return the function that asks about one block; it keeps the last checkpoint loaded."""
    pictures, grid = probed_pictures(context, spec.sets, spec.rows), grid_of(spec)
    load = lru_cache(1)(lambda step: denoiser_at(spec, context, step))
    finished = FinishedFiles(context.folder)

    def do_piece(what: Mapping[str, Any]) -> None:
        if finished.has(_file(**what)):
            return
        block = [each for _, each, _ in pictures[what["first"] : what["first"] + BLOCK]]
        found = ask(load(what["step"]), block, grid, context.batch)
        by_time = found.reshape(len(block), len(grid.timesteps), grid.noises).mean(2)
        rows = [[loss if np.isfinite(loss) else None for loss in row] for row in by_time.tolist()]
        write_json(context.folder / _file(**what), rows)
        finished.add(_file(**what))
        context.report(Progress(len(block), len(block), "pictures"))

    return do_piece


def denoiser_at(spec: ProbeSpec, context: StageContext, step: int) -> Denoiser:
    """Return the base at step 0, else the model as it was after a step, loaded as for drawing."""
    trained = {"train": context.inputs["train"]} if step else {}
    drawing = SampleSpec(
        base=spec.base,
        pins=spec.pins,
        checkpoint=None if step in (0, spec.steps) else step,
        prompts=(Prompt(id="probe", text="probe"),),
        seeds=(0,),
        sampler=Sampler(steps=1, guidance=1.0, width=64, height=64, precision=spec.precision),
    )
    pipeline = pipeline_of(drawing, StageContext(context.folder, trained, context.device))
    kept, prediction = schedule_of(spec.base, spec.prediction, spec.zero_terminal_snr)
    tokenizers = (pipeline.tokenizer, pipeline.tokenizer_2)
    encoders = TextEncoders(
        pipeline.text_encoder,
        pipeline.text_encoder_2,
        tokenizers,
        spec.tokens if step else (),
    )
    return Denoiser(
        pipeline.unet,
        kept,
        prediction,
        context.device,
        encoders if spec.reads_text else None,
        spec.chunks,
    )


def _rows(
    spec: ProbeSpec, folder: Path, pictures: Sequence[Probed], piece: Piece
) -> list[dict[str, Any]]:
    """Return the rows of the table that one piece has made."""
    step, first = piece.what["step"], piece.what["first"]
    losses = json.loads((folder / _file(**piece.what)).read_text(encoding="utf-8"))
    timesteps = list(grid_of(spec).timesteps)
    return [
        {
            "step": step,
            "side": side,
            "id": picture.id,
            "tags": list(entry.tags),
            "timesteps": timesteps,
            "losses": row,
        }
        for (side, picture, entry), row in zip(pictures[first : first + BLOCK], losses, strict=True)
    ]
