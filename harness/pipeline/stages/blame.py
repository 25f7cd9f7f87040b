"""Blame: gradients of training pictures and of what is asked → how far each picture helped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harness.interfaces import Array, Progress, StageContext
from harness.metrics.influence import contributions, influences, typical
from harness.pages.stages import BlameSpec
from harness.pipeline.results.blame import SCHEMA, TABLE
from harness.pipeline.stages.files import Entry, read_index
from harness.pipeline.stages.gradients import BLOCK, file_of
from harness.records import StepName
from harness.training.sets import mapped


def blame(spec: BlameSpec, context: StageContext) -> None:
    """Write `blame.parquet`, the worst pictures first."""
    rows = []
    for number, rates in enumerate(spec.rates):
        folder = context.inputs[str(StepName("gradients", f"{number}"))]
        parts, losses = _asked(folder, context.inputs["gradients-asked"], rates)
        values, reaches = influences(parts, spec.timesteps)
        entries = read_index(folder)
        rows += [
            (number, entry, *numbers)
            for entry, *numbers in zip(entries, values, reaches, losses, strict=True)
        ]
        context.report(Progress(number + 1, len(spec.rates), "sets"))
    unit = typical(np.array([row[2] for row in rows]))
    rows.sort(key=lambda row: (row[2], row[0]))
    table = [
        _row(number, entry, value / unit, reach / unit, loss)
        for number, entry, value, reach, loss in rows
    ]
    pq.write_table(pa.Table.from_pylist(table, SCHEMA), context.folder / TABLE)


def _row(number: int, entry: Entry, value: float, reach: float, loss: float) -> dict[str, object]:
    return {
        "set": number,
        "id": entry.id,
        "text": entry.text,
        "value": value,
        "low": value - reach,
        "high": value + reach,
        "loss": loss,
    }


def _asked(folder: Path, asked: Path, rates: tuple[float, ...]) -> tuple[Array, Array]:
    """Return what every noise of every picture adds, over all checkpoints, and the last losses."""
    count = len(read_index(folder))
    total: Array | None = None
    losses = np.full(count, np.nan)
    for step, rate in zip(steps_in(folder), rates, strict=True):
        direction = _mean_direction(asked, step)
        parts = [contributions(units, direction, rate) for units, _ in _blocks(folder, step)]
        whole = np.concatenate(parts)
        total = whole if total is None else total + whole
        losses = np.concatenate([loss.mean(1) for _, loss in _blocks(folder, step)])
    assert total is not None
    return total, losses


def steps_in(folder: Path) -> list[int]:
    """Return the checkpoints whose gradients are in a folder."""
    return sorted({int(file.name.split("-")[1]) for file in folder.glob("gradients-*.safetensors")})


def _mean_direction(folder: Path, step: int) -> Array:
    """Return the mean of the gradients' directions over all pictures and noises."""
    total, count = np.zeros(1), 0
    for units, _ in _blocks(folder, step):
        total = total + units.sum((0, 1), dtype=np.float64)
        count += units.shape[0] * units.shape[1]
    return np.asarray(total / count)


def _blocks(folder: Path, step: int) -> Iterator[tuple[Array, Array]]:
    """Yield the directions and the losses of one block of pictures after the other."""
    for first in range(0, len(read_index(folder)), BLOCK):
        stored = mapped(folder / file_of(step, first))
        yield stored["units"].astype(np.float32), stored["losses"].astype(np.float64)
