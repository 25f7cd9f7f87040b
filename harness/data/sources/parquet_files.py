"""Parquet files as they lie: their rows, the ids of these, and the pictures they point at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from harness.data.sources.rows import beside, file_of, id_of, require
from harness.errors import UsageError

WORDS = 4096
"""Rows that are held at once, without their pictures."""


def opened(file: Path) -> pq.ParquetFile:
    """Return a Parquet file with its schema read, and no rows."""
    with _named(file, "is no Parquet file that can be read"):
        return pq.ParquetFile(file, memory_map=True)


def batches(file: Path, rows: int, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield some columns of a file, so many rows at a time; words in them are words."""
    found = opened(file).iter_batches(rows, columns=columns)
    while True:
        with _named(file, "holds rows that cannot be read"):
            batch = next(found, None)
            if batch is None:
                return
            batch.validate(full=True)
        yield batch


@contextmanager
def _named(file: Path, what: str) -> Iterator[None]:
    """Name the file that pyarrow complains about."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        lines = str(error).splitlines() or [type(error).__name__]
        raise UsageError(
            f"{what}: {lines[0]}", where=str(file), hint="write or fetch it again"
        ) from error


def count(files: Sequence[Path]) -> int:
    return sum(opened(file).metadata.num_rows for file in files)


def ids(files: Sequence[Path], column: str | None) -> Iterator[str]:
    """Yield the id of every row: what a column says, or its number."""
    if column is None:
        yield from (id_of(row) for row in range(count(files)))
        return
    for file in files:
        require([column], opened(file).schema_arrow.names, str(file))
        for rows in batches(file, WORDS, [column]):
            yield from map(str, rows.column(0).to_pylist())


def pointed_at(files: Sequence[Path], image: str) -> list[Path]:
    """Return the pictures that lie beside the files and not in them."""
    pictures = []
    for file in files:
        whole = opened(file)
        if image in whole.schema_arrow.names:
            kind = whole.schema_arrow.field(image).type
            if is_binary(kind) or _holds_bytes(whole, f"{image}.bytes"):
                continue
            if pa.types.is_struct(kind) and kind.get_field_index("path") < 0:
                continue
            path = f"{image}.path" if pa.types.is_struct(kind) else image
            for rows in batches(file, WORDS, [path]):
                names = map(file_of, rows.column(0).to_pylist())
                pictures += [beside(file.parent, name) for name in names if name]
    return [file for file in pictures if file is not None]


def is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _holds_bytes(whole: pq.ParquetFile, column: str) -> bool:
    """Return whether a struct's bytes are all there, by the statistics of its row groups."""
    groups = [whole.metadata.row_group(at) for at in range(whole.metadata.num_row_groups)]
    chunks = [
        group.column(at)
        for group in groups
        for at in range(group.num_columns)
        if group.column(at).path_in_schema == column
    ]
    return bool(chunks) and all(
        chunk.statistics is None or chunk.statistics.null_count == 0 for chunk in chunks
    )
