"""Parquet files, a few rows at a time: pictures as bytes, as the hub's structs, or as paths."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from harness.data.sources.cells import batch_of, bytes_of, picture
from harness.data.sources.file_patterns import required
from harness.data.sources.parquet_files import WORDS, batches, is_binary, opened
from harness.data.sources.rows import file_of, id_of, require
from harness.data.specs import Parquet
from harness.interfaces import Picture

PICTURES = 16
"""Rows that are held at once with their pictures."""


def parquet(spec: Parquet) -> Iterator[Picture]:
    """Yield the rows of the files in order; no more than a few are in memory."""
    for file, start, rows in _batches(spec, [spec.image, *_named(spec)], PICTURES):
        words = rows.drop_columns([spec.image]) if rows.num_columns > 1 else None
        told = words.to_pylist() if words is not None else [{}] * rows.num_rows
        for at, (row, name) in enumerate(zip(told, _names(spec, start, rows), strict=True)):
            cell = rows.column(spec.image)[at]
            yield picture(spec, name, row, partial(_bytes, cell, file.parent), _path(cell))


def table(spec: Parquet) -> Iterator[pa.RecordBatch]:
    """Yield what is known of the rows; the column of pictures is not read."""
    for _, start, rows in _batches(spec, _named(spec), WORDS):
        yield batch_of(spec, pa.array(_names(spec, start, rows)), rows)


def _named(spec: Parquet) -> list[str]:
    return list(dict.fromkeys([*spec.words(), *([spec.id] if spec.id else [])]))


def _names(spec: Parquet, start: int, rows: pa.RecordBatch) -> list[str]:
    if spec.id is not None:
        return [str(each) for each in rows.column(spec.id).to_pylist()]
    return [id_of(start + at) for at in range(rows.num_rows)]


def _bytes(cell: Any, folder: Path) -> bytes:
    return bytes_of(cell.as_py(), folder)


def _path(cell: Any) -> str:
    """Return the path in a cell without copying the bytes beside it."""
    if pa.types.is_struct(cell.type):
        return file_of({"path": cell["path"].as_py()} if "path" in cell else {})
    return "" if is_binary(cell.type) else file_of(cell.as_py())


def _batches(
    spec: Parquet, columns: list[str], rows: int
) -> Iterator[tuple[Path, int, pa.RecordBatch]]:
    """Yield the files' rows in batches, each with the number of its first row."""
    start = 0
    for file in required(spec.files, "data.source.files"):
        require(columns, opened(file).schema_arrow.names, str(file))
        for batch in batches(file, rows, columns):
            yield file, start, batch
            start += batch.num_rows
