"""Texts: captions as they will be read, and their embeddings where the text encoders rest.

Row 0 of the table is the empty text; every other text stands once, however many pictures share
it. Embeddings come in shards, each written whole, so that a kill costs one shard.
"""

from __future__ import annotations

import json

import torch

from harness.data.captions import readings
from harness.diffusion.load import dtype_for, load_text_encoders
from harness.diffusion.words import embed
from harness.interfaces import Progress, Workplace
from harness.learning.sets import READINGS, TEXTS, save_tensors
from harness.stages.files import read_index
from harness.stages.sharing import is_mine, share
from harness.steps import TextsSpec

SHARD = 1024
"""Texts a shard."""


def write(spec: TextsSpec, place: Workplace) -> None:
    """Write the table of texts, the rows of each picture, and `embeddings-*.safetensors`."""
    entries = [entry for entry in read_index(place.inputs["data"]) if entry.file]
    worded = [readings(entry, spec.caption) for entry in entries]
    table = list(dict.fromkeys(["", *(text for texts in worded for text in texts)]))
    if spec.base is not None:
        _embed(spec, place, table)
    if place.rank is not None:
        return
    row_of = {text: row for row, text in enumerate(table)}
    rows = [[row_of[text] for text in texts] for texts in worded]
    for name, content in ((TEXTS, table), (READINGS, rows)):
        (place.folder / name).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


@torch.no_grad()
def _embed(spec: TextsSpec, place: Workplace, table: list[str]) -> None:
    assert spec.base is not None
    starts = list(range(0, len(table), SHARD))
    files = [place.folder / f"embeddings-{number:05d}.safetensors" for number in range(len(starts))]
    share("texts", spec, place, sum(not file.exists() for file in files))
    encoders = None
    for number, (file, start) in enumerate(zip(files, starts, strict=True)):
        if file.exists() or not is_mine(number, place):
            continue
        dtype = dtype_for("fp16", place.device)
        encoders = encoders or load_text_encoders(spec.base, place.device, dtype)
        sequences, pooled = [], []
        stop = min(start + SHARD, len(table))
        for at in range(start, stop, place.batch):
            texts = table[at : min(at + place.batch, stop)]
            sequence, summary = embed(texts, encoders, spec.caption.chunks)
            sequences.append(sequence.half().cpu())
            pooled.append(summary.half().cpu())
            place.report(Progress(at + len(texts), len(table), "captions"))
        save_tensors(file, {"sequences": torch.cat(sequences), "pooled": torch.cat(pooled)})
