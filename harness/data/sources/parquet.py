"""Parquet files, a few rows at a time: pictures as bytes, as the hub's structs, or as paths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from harness.data.cells import batch_of, bytes_of, file_of, picture, require
from harness.data.patterns import required
from harness.data.specs import Parquet, id_of
from harness.errors import UsageError
from harness.interfaces import Picture

PICTURES, WORDS = 16, 4096
"""Rows that are held at once, with their pictures and without."""


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


def count(files: Sequence[Path]) -> int:
    return sum(_opened(file).metadata.num_rows for file in files)


def ids(spec: Parquet, files: Sequence[Path]) -> Iterator[str]:
    """Yield the id of every row."""
    if spec.id is None:
        yield from (id_of(row) for row in range(count(files)))
        return
    for file in files:
        require([spec.id], _opened(file).schema_arrow.names, str(file))
        for rows in _opened(file).iter_batches(WORDS, columns=[spec.id]):
            yield from map(str, rows.column(0).to_pylist())


def pointed_at(spec: Parquet, files: Sequence[Path]) -> list[Path]:
    """Return the pictures that lie beside the files and not in them."""
    found = []
    for file in files:
        whole = _opened(file)
        if spec.image in whole.schema_arrow.names:
            kind = whole.schema_arrow.field(spec.image).type
            path = f"{spec.image}.path" if pa.types.is_struct(kind) else spec.image
            if not _is_binary(kind) and not _holds_bytes(whole, f"{spec.image}.bytes"):
                for rows in whole.iter_batches(WORDS, columns=[path]):
                    cells = rows.column(0).to_pylist()
                    found += [file.parent / file_of(cell) for cell in cells if file_of(cell)]
    return [file for file in found if file.is_file()]


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _holds_bytes(whole: pq.ParquetFile, column: str) -> bool:
    """Return whether a struct's bytes are all there, by the statistics of its row groups."""
    groups = [whole.metadata.row_group(at) for at in range(whole.metadata.num_row_groups)]
    chunks = [
        group.column(at) for group in groups for at in range(group.num_columns)
        if group.column(at).path_in_schema == column
    ]  # fmt: skip
    return bool(chunks) and all(
        chunk.statistics is None or chunk.statistics.null_count == 0 for chunk in chunks
    )


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
    return "" if _is_binary(cell.type) else file_of(cell.as_py())


def _batches(
    spec: Parquet, columns: list[str], rows: int
) -> Iterator[tuple[Path, int, pa.RecordBatch]]:
    """Yield the files' rows in batches, each with the number of its first row."""
    start = 0
    for file in required(spec.files, "data.source.files"):
        whole = _opened(file)
        require(columns, whole.schema_arrow.names, str(file))
        for batch in whole.iter_batches(rows, columns=columns):
            yield file, start, batch
            start += batch.num_rows


def _opened(file: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file, memory_map=True)
    except (pa.ArrowInvalid, OSError) as error:
        what = str(error).splitlines()[0]
        raise UsageError(f"is no Parquet file that can be read: {what}", where=str(file),
                         hint="write or fetch it again") from error  # fmt: skip
