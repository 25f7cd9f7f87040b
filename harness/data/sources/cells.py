"""What the cells of a row mean: words, tags, and where the bytes of its picture are."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from harness.data.opening import image_of
from harness.data.sources.file_patterns import read_unchanged
from harness.data.sources.rows import beside, file_of
from harness.data.specs import Columns
from harness.data.tags import is_list, tags_column, tags_of
from harness.errors import UsageError
from harness.fingerprint import digest_input
from harness.interfaces import Picture


def picture(
    spec: Columns, name: str, row: Mapping[str, Any], read: Callable[[], bytes], file: str
) -> Picture:
    """Return the picture of one row; its bytes are read only when `open` or `read` is called."""
    written = row.get(spec.text or "")
    said = written if isinstance(written, list) else [written]
    captions = tuple("" if one is None else str(one) for one in said)
    return Picture(
        id=name,
        open=lambda: image_of(read()),
        text=captions[0] if captions else "",
        tags=tuple(tags_of(row.get(spec.tags or ""))),
        facts={fact: row.get(column) for fact, column in spec.facts.items()},
        captions=captions,
        weight=weight_of(row[spec.weight], name) if spec.weight else 1.0,
        read=read,
        name=file,
    )


def weight_of(cell: Any, name: str, where: str | None = None) -> float:
    try:
        weight = float(cell)
    except (TypeError, ValueError):
        weight = math.nan
    if not (math.isfinite(weight) and weight >= 0):
        raise UsageError(f"{name}: weight is no number of 0 or more", where=where)
    return weight


def bytes_of(cell: Any, folder: Path) -> bytes:
    """Return a picture's bytes: the cell's own, or those of the file that it names."""
    inside = cell.get("bytes") if isinstance(cell, dict) else cell
    if isinstance(inside, bytes):
        return inside
    path = file_of(cell)
    if not path:
        raise FileNotFoundError("the row has no picture")
    file = beside(folder, path)
    if file is None:
        raise FileNotFoundError(f"{path} is no file of the set's own folder")
    return read_unchanged(file, digest_input(file))


def batch_of(spec: Columns, names: pa.Array, rows: pa.RecordBatch | pa.Table) -> pa.RecordBatch:
    """Return columns of a source as the columns that every table has."""
    there = {name: _whole(rows.column(name)) for name in rows.schema.names}
    empty = pa.array([""] * len(names))
    columns = {
        "id": names.cast(pa.string()),
        "text": text_column(there[spec.text]) if spec.text else empty,
        "tags": tags_column(there[spec.tags] if spec.tags else empty),
    }
    facts = {fact: there[column] for fact, column in spec.facts.items() if fact not in columns}
    return pa.record_batch({**columns, **facts})


def _whole(column: Any) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def text_column(column: pa.Array) -> pa.Array:
    """Return the text of each row, of several captions the first."""
    if is_list(column.type):
        firsts = [str(each[0]) if each else "" for each in column.to_pylist()]
        return pa.array(firsts, pa.string())
    return pc.fill_null(column.cast(pa.string()), "")
