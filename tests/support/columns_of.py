"""Rows judged in both engines: columns by the query, and row by row by the definition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from harness.data.curation.by_column import select
from harness.data.curation.by_row import curate
from harness.data.curation.captions import write_caption
from harness.data.curation.recaption import recaptioned
from harness.data.curation.rules import CurationSettings
from harness.data.curation.table import ColumnNames, parquet
from harness.data.tags import tags_of
from harness.interfaces import Picture

FACTS = ("rating", "score", "aesthetic", "year", "width", "height", "phash")
MEANING = ColumnNames("id", "caption", "danbooru_tags", {name: name for name in FACTS})
Told = list[tuple[str, str, tuple[str, ...]]]
"""Id, prompt and tags of each kept row."""


def write(file: Path, rows: Sequence[dict[str, Any]], **types: pa.DataType) -> Path:
    """Write rows of which every column is there; a column's type follows from its values."""
    names = ("id", "caption", "danbooru_tags", *FACTS)
    columns = {name: pa.array([row.get(name) for row in rows], types.get(name)) for name in names}
    pq.write_table(pa.table(columns), file, row_group_size=max(1, len(rows) // 3))
    return file


def by_columns(files: Sequence[Path], rules: CurationSettings) -> tuple[Told, Counter[str]]:
    dropped: Counter[str] = Counter()
    found = [
        (row["id"], row["prompt"], tuple(row["tags"]))
        for _, batch in select([parquet(tuple(files), MEANING)], rules, dropped)
        for row in batch.to_pylist()
    ]
    return found, dropped


def by_rows(files: Sequence[Path], rules: CurationSettings) -> tuple[Told, Counter[str]]:
    dropped: Counter[str] = Counter()
    rows = [row for file in files for row in pq.read_table(file).to_pylist()]
    kept = curate(recaptioned(map(_picture, rows), rules.recaption), rules, dropped)
    return [(row.id, write_caption(row, rules.caption), row.tags) for row in kept], dropped


def _picture(row: dict[str, Any]) -> Picture:
    text = row["caption"] or ""
    return Picture(
        id=str(row["id"]),
        open=_never,
        text=text,
        tags=tuple(tags_of(row["danbooru_tags"])),
        facts={name: row[name] for name in FACTS},
        captions=(text,),
    )


def _never() -> None:
    raise AssertionError("a row is judged by its metadata, without opening its picture")
