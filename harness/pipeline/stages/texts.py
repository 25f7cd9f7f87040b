"""Texts: the captions to train on, and their embeddings if the text encoders do not train.

Row 0 of the table is the empty text; every other text is there once, however many pictures share
it. Embeddings come in shards, each written whole, so that a kill costs one shard.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import torch

from harness.data.curation.captions import readings
from harness.diffusion.load import TextEncoders, dtype_for, load_text_encoders
from harness.diffusion.text_embeddings import embed
from harness.interfaces import Progress, StageContext
from harness.pages.stages import TextsSpec
from harness.pipeline.stages.files import read_index
from harness.pipeline.stages.finished import FinishedFiles
from harness.pipeline.stages.job import DoPiece
from harness.pipeline.stages.pieces import Piece, share
from harness.training.sets import READINGS, TEXTS, save_tensors

SHARD = 1024
"""Texts a shard."""


def write(spec: TextsSpec, context: StageContext) -> None:
    """Write the table of texts, the rows of each picture, and `embeddings-*.safetensors`."""
    captions, table = _captions(spec, context)
    if spec.base is not None:
        _embed(spec, context, table)
    row_of = {text: row for row, text in enumerate(table)}
    rows = [[row_of[text] for text in texts] for texts in captions]
    for name, content in ((TEXTS, table), (READINGS, rows)):
        (context.folder / name).write_text(
            json.dumps(content, ensure_ascii=False), encoding="utf-8"
        )


def _captions(spec: TextsSpec, context: StageContext) -> tuple[list[list[str]], list[str]]:
    """Return the captions of each picture, and every text once."""
    entries = [entry for entry in read_index(context.inputs["data"]) if entry.file]
    captions = [list(readings(entry, spec.caption)) for entry in entries]
    return captions, list(dict.fromkeys(["", *(text for texts in captions for text in texts)]))


def _embed(spec: TextsSpec, context: StageContext, table: list[str]) -> None:
    finished = FinishedFiles(context.folder)
    pieces = [
        Piece(
            {"number": number, "texts": table[start : start + SHARD]},
            len(table[start : start + SHARD]),
        )
        for number, start in enumerate(range(0, len(table), SHARD))
        if not finished.has(_file(number))
    ]
    done = len(table) - sum(piece.size for piece in pieces)
    share("texts", spec, context, pieces, done, "captions")


def piece_embedder(spec: TextsSpec, context: StageContext) -> DoPiece:
    """Return the function that embeds one shard; the first call loads the text encoders."""
    base = spec.base
    assert base is not None
    dtype = dtype_for(spec.precision, context.device)
    encoders = cache(lambda: load_text_encoders(base, context.device, dtype))
    finished = FinishedFiles(context.folder)

    def do_piece(what: Mapping[str, Any]) -> None:
        if not finished.has(_file(what["number"])):
            _embed_shard(spec, context, encoders(), what["number"], what["texts"])
            finished.add(_file(what["number"]))

    return do_piece


@torch.no_grad()
def _embed_shard(
    spec: TextsSpec, context: StageContext, encoders: TextEncoders, number: int, texts: list[str]
) -> None:
    sequences, pooled = [], []
    for at in range(0, len(texts), context.batch):
        batch = texts[at : at + context.batch]
        sequence, summary = embed(batch, encoders, spec.caption.chunks)
        sequences.append(sequence.half().cpu())
        pooled.append(summary.half().cpu())
        context.report(Progress(at + len(batch), len(texts), "captions"))
    tensors = {"sequences": torch.cat(sequences), "pooled": torch.cat(pooled)}
    save_tensors(context.folder / _file(number), tensors)


def _file(number: int) -> str:
    return f"embeddings-{number:05d}.safetensors"
