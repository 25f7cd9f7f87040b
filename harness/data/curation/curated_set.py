"""A curated set as a file: the kept rows with prompts and buckets, boosters mixed in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain, groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from harness.data.buckets import Shape, nearest_each, shapes
from harness.data.curation.boosters import drawn, portion
from harness.data.curation.by_column import OnProgress, rows_of, select
from harness.data.curation.engine import Limits
from harness.data.curation.left_out import require_ids_in
from harness.data.curation.rules import NEAR_DUPLICATES, WEIGHT, CurationSettings
from harness.data.curation.table import MetadataTable, metadata_of
from harness.data.facts import number_column
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


@dataclass(frozen=True)
class PartFile:
    """The kept rows of one source; there is no file where no row is kept."""

    file: Path
    count: int


@dataclass(frozen=True)
class PartWriter:
    """Writes the kept rows of each source to a file of its own."""

    folder: Path
    shapes: list[Shape]
    limits: Limits
    on_progress: OnProgress | None
    dropped: Counter[str]

    def write(
        self, tables: Sequence[MetadataTable], page: CurationSettings, first: int
    ) -> list[PartFile]:
        """Write the rows that a page keeps of tables, of which the first is source `first`."""
        files = [self.folder / f"{first + number}.parquet" for number in range(len(tables))]
        counts = [0] * len(tables)
        selected = select(tables, page, self.dropped, self.limits, self.on_progress)
        for number, pairs in groupby(selected, key=lambda pair: pair[0]):
            rows = (_with_bucket(batch, self.shapes, first + number) for _, batch in pairs)
            counts[number] = _write_rows(rows, files[number])
        return [PartFile(file, count) for file, count in zip(files, counts, strict=True)]


def sources_of(data: Data) -> list[SourceSpec]:
    """Return the sources in the order in which their rows stand in the file."""
    return [*_taken_whole(data), *(booster.source for booster in data.boosters)]


def _taken_whole(data: Data) -> list[SourceSpec]:
    return [each for each in (data.source, data.booster) if each is not None]


def write(
    data: Data,
    resolution: int,
    buckets: Buckets | None,
    folder: Path,
    limits: Limits,
    on_progress: OnProgress | None = None,
) -> Written:
    """Write the rows that a data section keeps, in order, as `curated.parquet`."""
    page = CurationSettings(data.part, data.curate, data.caption, data.recaption, data.without)
    sizes = shapes(buckets, resolution) if buckets else [(resolution, resolution)]
    tables = [metadata_of(source) for source in _taken_whole(data)]
    _require_hashes(tables, data)
    mixed = [metadata_of(each.source) for each in data.boosters] if data.without else []
    require_ids_in(data.without, [*tables, *mixed], rows_of, limits)
    dropped: Counter[str] = Counter()
    with TemporaryDirectory(prefix=".parts-", dir=folder) as parts_folder:
        writer = PartWriter(Path(parts_folder), sizes, limits, on_progress, dropped)
        parts = writer.write(tables, page, first=0)
        kept = sum(part.count for part in parts)
        if not kept:
            raise UsageError(
                f"no row is left of {dropped.total()}: {dict(dropped)}",
                hint="loosen data.curate, or check the facts that data.source names",
            )
        parts += [
            _write_booster(writer, data, page, number, kept) for number in range(len(data.boosters))
        ]
        _join([part.file for part in parts if part.count], folder / ROWS)
    return Written(tuple(part.count for part in parts), dropped)


def _require_hashes(tables: Sequence[MetadataTable], data: Data) -> None:
    """Refuse near_duplicates where every row would break it, for none has a hash."""
    if data.curate.near_duplicates is None:
        return
    for table, source in zip(tables, _taken_whole(data), strict=True):
        if "phash" not in table.names.facts:
            raise UsageError(
                f"near_duplicates compares the fact phash, which the source {source.use} has not",
                where=f"data.curate.{NEAR_DUPLICATES}",
                hint="name its column in source.facts; data.reading.near_duplicates looks at "
                "the pictures themselves when they are collected",
            )


def _write_booster(
    writer: PartWriter, data: Data, page: CurationSettings, number: int, kept: int
) -> PartFile:
    """Write so many rows of a booster that they make up its share beside `kept` others."""
    page = replace(page, curate=page.curate.model_copy(update={"limit": None}))
    table = metadata_of(data.boosters[number].source)
    (part,) = writer.write([table], page, first=len(_taken_whole(data)) + number)
    wanted = portion(kept, data.boosters, number, part.count)
    if wanted < part.count:
        writer.dropped[WEIGHT] += part.count - wanted
        _keep_drawn(part.file, number, wanted)
    return replace(part, count=wanted)


def _keep_drawn(file: Path, number: int, wanted: int) -> None:
    """Leave of a booster's rows only those that are drawn."""
    import pyarrow.parquet as pq

    rows = pq.read_table(file)
    kept = rows.take(drawn(rows["id"].to_pylist(), number, wanted))
    pq.write_table(kept, file, compression="zstd")


def _write_rows(batches: Iterable[pa.RecordBatch], file: Path) -> int:
    """Write batches, at least one, as row groups of a file; return how many rows they are."""
    import pyarrow.parquet as pq

    groups = _gathered(batches)
    first, count = next(groups), 0
    with (
        pq.ParquetWriter(
            file, first.schema, compression="zstd", use_dictionary=_repeated(first)
        ) as writer,
        ThreadPoolExecutor(1) as pool,  # a group is packed while the engine makes the next one
    ):
        packing: Future[None] | None = None
        for group in chain([first], groups):
            if packing is not None:
                packing.result()
            packing = pool.submit(writer.write_table, group)
            count += group.num_rows
        if packing is not None:
            packing.result()
    return count


def _gathered(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yield batches together, as soon as they hold the rows of a row group."""
    import pyarrow as pa

    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(each.num_rows for each in waiting) >= GROUP:
            yield pa.Table.from_batches(waiting)
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting)


def _repeated(rows: pa.Table) -> list[str]:
    """Return the columns whose values return often; words rarely do, and looking costs time."""
    single = {"id", "text", "prompt", "row", "phash", "aesthetic"}
    return [
        f"{name}.list.element" if name == "tags" else name
        for name in rows.column_names
        if name not in single
    ]


def _with_bucket(batch: pa.RecordBatch, sizes: list[Shape], source: int) -> pa.RecordBatch:
    """Return the rows with their source, and the bucket that each falls into as `width×height`."""
    import pyarrow as pa

    names = np.array([f"{width}×{height}" for height, width in sizes])
    width, height = (_side(batch, name) for name in ("width", "height"))
    known = np.isfinite(width) & np.isfinite(height) & (width > 0) & (height > 0)
    fits = np.full(batch.num_rows, names[0], names.dtype)
    fits[known] = names[nearest_each(height[known] / width[known], sizes)]
    buckets = pa.array(fits, pa.string(), mask=~known)
    sources = pa.array(np.full(batch.num_rows, source, np.int8))
    return batch.append_column("bucket", buckets).add_column(0, "source", sources)


def _side(batch: pa.RecordBatch, name: str) -> Array:
    """Return a side in pixels, NaN where it is unknown."""
    if name not in batch.schema.names:
        return np.full(batch.num_rows, np.nan)
    return number_column(batch.column(name))


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
        for table in (table for file in files for table in _row_groups(file)):
            columns = [
                table[field.name].cast(field.type)
                if field.name in table.column_names
                else pa.nulls(table.num_rows, field.type)
                for field in schema
            ]
            writer.write_table(pa.table(columns, schema=schema))


def _row_groups(file: Path) -> Iterator[pa.Table]:
    import pyarrow.parquet as pq

    parquet = pq.ParquetFile(file)
    for group in range(parquet.num_row_groups):
        yield parquet.read_row_group(group)
