"""A curated set as a file: the kept rows with prompts and buckets, boosters mixed in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.data.buckets import Shape, shapes
from harness.data.curation.boosters import drawn, portion
from harness.data.curation.by_column import Heard, Limits, select
from harness.data.curation.query import Rules
from harness.data.curation.table import Metadata, metadata_of
from harness.data.facts import NUMBER
from harness.data.sources.tables import wider
from harness.errors import UsageError
from harness.interfaces import Array, SourceSpec
from harness.pages.data import Data
from harness.pages.train import Buckets

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = "curated.parquet"
GROUP = 65_536
"""Rows of a row group."""


@dataclass(frozen=True)
class Written:
    """What became of the rows of every source."""

    kept: tuple[int, ...]
    """For each source, the boosters last."""
    dropped: Counter[str]


def sources_of(data: Data) -> list[SourceSpec]:
    """Return the sources in the order in which their rows stand in the file."""
    whole = [each for each in (data.source, data.booster) if each is not None]
    return [*whole, *(booster.source for booster in data.boosters)]


def write(
    data: Data,
    resolution: int,
    buckets: Buckets | None,
    folder: Path,
    limits: Limits,
    heard: Heard | None = None,
) -> Written:
    """Write the rows that a data section keeps, in order, as `curated.parquet`."""
    rules = Rules(data.part, data.curate, data.caption, data.recaption)
    fits = shapes(buckets, resolution) if buckets else [(resolution, resolution)]
    dropped: Counter[str] = Counter()
    main = [metadata_of(each) for each in (data.source, data.booster) if each is not None]
    files = [folder / f".{number}.parquet.part" for number in range(len(main))]
    _require_hashes(main, data)
    counts = _written(main, rules, files, fits, dropped, limits, heard, 0)
    kept = sum(counts)
    if not kept:
        raise UsageError(
            f"no row is left of {dropped.total()}: {dict(dropped)}",
            hint="loosen data.curate, or check the facts that data.source names",
        )
    free = Rules(
        data.part, data.curate.model_copy(update={"limit": None}), data.caption, data.recaption
    )
    for number, booster in enumerate(data.boosters):
        file = folder / f".{len(files)}.parquet.part"
        tables = [metadata_of(booster.source)]
        (there,) = _written(tables, free, [file], fits, dropped, limits, heard, len(files))
        wanted = portion(kept, data.boosters, number, there)
        if wanted < there:
            dropped["weight"] += there - wanted
            _thin(file, number, wanted)
        files.append(file)
        counts.append(wanted)
    _join([file for file, count in zip(files, counts, strict=True) if count], folder / ROWS)
    for file in files:
        file.unlink(missing_ok=True)
    return Written(tuple(counts), dropped)


def _require_hashes(tables: Sequence[Metadata], data: Data) -> None:
    """Refuse near_duplicates where every row would break it, for none has a hash."""
    if data.curate.near_duplicates is None:
        return
    for table, source in zip(tables, sources_of(data), strict=False):
        if "phash" not in table.meaning.facts:
            raise UsageError(
                f"near_duplicates compares the fact phash, which the source {source.use} has not",
                where="data.curate.near_duplicates",
                hint="name its column in source.facts; data.reading.near_duplicates looks at "
                "the pictures themselves when they are collected",
            )


def _written(
    tables: Sequence[Metadata],
    rules: Rules,
    files: Sequence[Path],
    fits: list[Shape],
    dropped: Counter[str],
    limits: Limits,
    heard: Heard | None,
    first: int,
) -> list[int]:
    """Write the kept rows of each table, numbered from `first`, to its file; count them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    counts = [0] * len(tables)
    writers: dict[int, pq.ParquetWriter] = {}
    waiting: dict[int, list[pa.RecordBatch]] = {}

    def flush(number: int) -> None:
        whole = pa.Table.from_batches(waiting.pop(number))
        if number not in writers:
            writers[number] = pq.ParquetWriter(
                files[number], whole.schema, compression="zstd", use_dictionary=_repeated(whole)
            )
        writers[number].write_table(whole)

    try:
        for number, batch in select(tables, rules, dropped, limits, heard):
            counts[number] += batch.num_rows
            waiting.setdefault(number, []).append(_bucketed(batch, fits, first + number))
            if sum(each.num_rows for each in waiting[number]) >= GROUP:
                flush(number)
        for number in list(waiting):
            flush(number)
    finally:
        for writer in writers.values():
            writer.close()
    return counts


def _repeated(rows: pa.Table) -> list[str]:
    """Return the columns whose values return often; words rarely do, and looking costs time."""
    single = {"id", "text", "prompt", "row", "phash", "aesthetic"}
    return [
        f"{name}.list.element" if name == "tags" else name
        for name in rows.column_names
        if name not in single
    ]


def _bucketed(batch: pa.RecordBatch, fits: list[Shape], source: int) -> pa.RecordBatch:
    """Return the rows with their source, and the bucket that each falls into as `width×height`."""
    import pyarrow as pa

    names = np.array([f"{width}×{height}" for height, width in fits])
    sides = [_side(batch, name) for name in ("width", "height")]
    known = np.isfinite(sides[0]) & np.isfinite(sides[1]) & (sides[0] > 0) & (sides[1] > 0)
    places = nearest_of(sides[1][known] / sides[0][known], fits)
    found = np.full(batch.num_rows, names[0], names.dtype)
    found[known] = names[places]
    buckets = pa.array(found, pa.string(), mask=~known)
    sources = pa.array(np.full(batch.num_rows, source, np.int8))
    return batch.append_column("bucket", buckets).add_column(0, "source", sources)


def nearest_of(ratios: Array, fits: list[Shape]) -> NDArray[np.int64]:
    """Return for each height / width what `buckets.nearest` would, as a place in `fits`."""
    order = sorted(range(len(fits)), key=lambda place: -fits[place][0] * fits[place][1])
    shares = np.array([fits[place][0] / fits[place][1] for place in order])
    away = np.abs(np.log(shares[None, :] / ratios[:, None]))
    places: NDArray[np.int64] = np.array(order)[away.argmin(axis=1)]
    return places


def _side(batch: pa.RecordBatch, name: str) -> Array:
    """Return a side in pixels, NaN where it is unknown."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if name not in batch.schema.names:
        return np.full(batch.num_rows, np.nan)
    column = batch.column(name)
    if pa.types.is_string(column.type):
        column = pc.if_else(pc.match_substring_regex(column, f"^({NUMBER})$"), column, None)
    elif not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return np.full(batch.num_rows, np.nan)
    numbers = pc.cast(column, pa.float64(), safe=False)
    side: Array = pc.fill_null(numbers, np.nan).to_numpy(zero_copy_only=False)
    return side


def _thin(file: Path, number: int, wanted: int) -> None:
    """Leave of a booster's rows only those that are drawn."""
    import pyarrow.parquet as pq

    rows = pq.read_table(file)
    pq.write_table(
        rows.take(drawn(rows["id"].to_pylist(), number, wanted)), file, compression="zstd"
    )


def _join(files: list[Path], out: Path) -> None:
    """Write the files as one; a column that only some have is empty for the others."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if len(files) == 1:
        files[0].replace(out)
        return
    types: dict[str, pa.DataType] = {}
    for field in (field for file in files for field in pq.read_schema(file)):
        types[field.name] = wider(types.get(field.name, field.type), field.type)
    schema = pa.schema(list(types.items()))
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        for table in (table for file in files for table in _groups(file)):
            columns = [
                table[field.name].cast(field.type)
                if field.name in table.column_names
                else pa.nulls(table.num_rows, field.type)
                for field in schema
            ]
            writer.write_table(pa.table(columns, schema=schema))


def _groups(file: Path) -> Iterator[pa.Table]:
    import pyarrow.parquet as pq

    whole = pq.ParquetFile(file)
    for group in range(whole.num_row_groups):
        yield whole.read_row_group(group)
