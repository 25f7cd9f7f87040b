"""A data set of the Hugging Face hub: the whole of it from the cache, or row by row as it comes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from harness.data.sources.cells import batch_of, bytes_of, picture
from harness.data.sources.rows import file_of, id_of, require
from harness.data.specs import Hub
from harness.errors import MissingPrerequisite
from harness.interfaces import Picture

ROWS = 4096
"""Rows of a batch without pictures."""


def hub(spec: Hub) -> Iterator[Picture]:
    """Yield the rows of the split in order; pixels are decoded only when asked for.

    Of a set that is here, a picture's bytes are not even read before.
    """
    rows, columns = _loaded(spec), [spec.image, *spec.words()]
    if spec.streams:
        for index, row in enumerate(rows):
            if index == 0:
                require(columns, list(row), f"the data set {spec.id}")
            cell = row[spec.image]
            yield picture(spec, id_of(index), row, partial(_bytes, cell), file_of(cell))
        return
    require(columns, rows.column_names, f"the data set {spec.id}")
    images = rows.select_columns([spec.image])
    words = rows.select_columns(spec.words()) if spec.words() else [{}] * len(rows)
    for index, row in enumerate(words):
        yield picture(spec, id_of(index), row, partial(_bytes_at, images, index), "")


def table(spec: Hub) -> Iterator[pa.RecordBatch]:
    """Yield what is known of the rows; the column of pictures is not read."""
    start, rows = 0, _loaded(spec)
    names = list(rows.column_names or next(iter(rows.take(1)), {}))
    require(spec.words(), names, f"the data set {spec.id}")
    chosen = rows.select_columns(spec.words() or names[:1]).with_format("arrow")
    for batch in chosen.iter(batch_size=ROWS):
        numbers = [id_of(start + at) for at in range(batch.num_rows)]
        yield batch_of(spec, pa.array(numbers), batch)
        start += batch.num_rows


def _loaded(spec: Hub) -> Any:
    """Return the rows up to the limit, with pictures left as the bytes that they are."""
    from datasets import Image, load_dataset

    try:
        rows = load_dataset(
            spec.id, revision=spec.revision, split=spec.split, streaming=spec.streams
        )
    except Exception as error:
        what = (str(error) or repr(error)).splitlines()[0]
        raise MissingPrerequisite(
            f"the data set {spec.id} cannot be loaded: {what}",
            hint="check the network and the id, or fetch it first with `hf download`",
        ) from error
    if spec.limit is not None:
        rows = rows.take(spec.limit)
    if isinstance((rows.features or {}).get(spec.image), Image):
        rows = rows.cast_column(spec.image, Image(decode=False))
    return rows


def _bytes_at(images: Any, index: int) -> bytes:
    return _bytes(next(iter(images[index].values())))


def _bytes(cell: Any) -> bytes:
    """Return a picture's bytes, through the hub's own door where it lies beyond this machine."""
    path = file_of(cell)
    if "://" in path and not (isinstance(cell, dict) and cell.get("bytes")):
        from datasets.utils.file_utils import xopen

        with xopen(path, "rb") as stream:
            data: bytes = stream.read()
        return data
    return bytes_of(cell, Path())
