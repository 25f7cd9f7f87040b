"""Curate a table of metadata column by column: in order, in bounded memory, no picture opened.

query.py writes the rules as SQL for the engine. Two things are done here: near duplicates, which
look at other rows, and captions whose words vary.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.data.curation import recaption
from harness.data.curation.captions import varies, write_caption
from harness.data.curation.engine import Limits, batches, opened
from harness.data.curation.query import hashes, query, rules
from harness.data.curation.rules import NEAR_DUPLICATES, CurationSettings, asked
from harness.data.curation.table import ROW, MetadataTable, files_sql
from harness.data.near_duplicates import firsts

if TYPE_CHECKING:
    import pyarrow as pa

    from harness.data.curation.engine import Engine
Numbers = NDArray[np.int64]
OnProgress = Callable[[int, int], None]
"""Called with how many rows were judged, and how many of them are kept."""


@dataclass(frozen=True)
class Words:
    """What captions.py reads of one kept row."""

    id: str
    text: str
    tags: tuple[str, ...]
    facts: dict[str, Any]
    captions: tuple[str, ...] = ()


@dataclass
class Count:
    """How far a selection has come."""

    seen: int = 0
    kept: int = 0


@dataclass(frozen=True)
class Stretch:
    """Rows of one table that follow each other, judged."""

    table: int
    first: int
    """The number of its first row."""
    rule: NDArray[np.uint8]
    """The number of the rule that each row breaks, 0 where it breaks none."""
    rows: pa.RecordBatch | None
    """At least those of its rows that break none, where there are any."""

    def batch(self, passing: Numbers) -> pa.RecordBatch:
        """Return the rows at these places of the stretch, which break no rule."""
        assert self.rows is not None
        rows = self.rows.drop_columns(["rule"])
        if len(passing) == rows.num_rows:
            return rows
        import pyarrow as pa

        is_in = np.zeros(len(self.rule), bool)
        is_in[passing] = True
        return rows.filter(pa.array(is_in[rows.column("row").to_numpy() - self.first]))


def select(
    tables: Sequence[MetadataTable],
    page: CurationSettings,
    dropped: Counter[str],
    limits: Limits | None = None,
    on_progress: OnProgress | None = None,
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield the rows that pass, with their prompts, each batch with the number of its table.

    Tables count as one that follows the other; `dropped` counts the rows that do not pass by rule.
    """
    if page.recaption is not None:
        recaption.check(page.recaption)
    names = ["", *(rule.name for rule, _ in asked(page)), NEAR_DUPLICATES]
    count, limit = Count(), page.curate.limit
    for stretch in _judged(tables, page, limits):
        rule = stretch.rule
        passing = np.flatnonzero(rule == 0)
        if limit is not None and count.kept + len(passing) >= limit:
            passing = passing[: limit - count.kept]
            rule = rule[: passing[-1] + 1]  # rows behind the last one do not count
        _count_dropped(names, rule, dropped)
        count.seen, count.kept = count.seen + len(rule), count.kept + len(passing)
        if len(passing):
            yield stretch.table, _with_prompts(stretch.batch(passing), page)
        if on_progress is not None:
            on_progress(count.seen, count.kept)
        if count.kept == limit:
            return


def _judged(
    tables: Sequence[MetadataTable], page: CurationSettings, limits: Limits | None
) -> Iterator[Stretch]:
    """Yield the rows of all tables, stretch by stretch."""
    last = len(asked(page)) + 1
    with opened(limits) as engine:
        repeats = _repeats(engine, tables, page)
        for number, table in enumerate(tables):
            two_passes = bool(table.files) and all(rule.is_cheap for rule, _ in asked(page))
            walk = _in_two_passes if two_passes else _in_one_pass
            for first, rule, rows in walk(engine, table, page):
                end = first + len(rule)
                low, high = np.searchsorted(repeats[number], (first, end))
                rule[repeats[number][low:high] - first] = last
                yield Stretch(number, first, rule, rows)


Judged = tuple[int, NDArray[np.uint8], "pa.RecordBatch | None"]
"""The number of a first row, the rule that it and those behind it break, and their batch."""


def _in_one_pass(engine: Engine, table: MetadataTable, page: CurationSettings) -> Iterator[Judged]:
    """Yield all rows, each with what is shown of it where it breaks no rule."""
    first = 0
    for batch in batches(engine, query(table, page, rows_of(engine, table))):
        _require_order(batch, first)
        yield first, batch.column("rule").to_numpy().copy(), batch
        first += batch.num_rows


def _in_two_passes(
    engine: Engine, table: MetadataTable, page: CurationSettings
) -> Iterator[Judged]:
    """Yield the same from two passes: the rules of all rows, then the rows that break none.

    What is not kept is never unpacked: three of four rows of a large set go by their sides.
    """
    source, rules_seen, seen = rows_of(engine, table), [], 0
    for batch in batches(engine, rules(table, page, source)):
        _require_order(batch, seen)
        rules_seen.append(batch.column("rule").to_numpy().copy())
        seen += batch.num_rows
    rule = np.concatenate([np.empty(0, np.uint8), *rules_seen])
    first = 0
    for batch in batches(engine, query(table, page, source, all_rows=False)):
        rows = batch.column("row").to_numpy()
        end = int(rows[-1]) + 1
        if not np.array_equal(rows, first + np.flatnonzero(rule[first:end] == 0)):
            raise AssertionError("the engine has lost the order of the rows")
        yield first, rule[first:end].copy(), batch
        first = end
    yield first, rule[first:], None


def _require_order(batch: pa.RecordBatch, first: int) -> None:
    rows = batch.column("row").to_numpy()
    if not np.array_equal(rows, np.arange(first, first + len(rows))):
        raise AssertionError("the engine has lost the order of the rows")


def _count_dropped(names: list[str], rule: NDArray[np.uint8], dropped: Counter[str]) -> None:
    counts = np.bincount(rule, minlength=len(names)).tolist()
    dropped.update({name: many for name, many in zip(names, counts, strict=True) if name and many})


def _with_prompts(batch: pa.RecordBatch, page: CurationSettings) -> pa.RecordBatch:
    """Return the rows with prompts, where the engine has left these to captions.py."""
    import pyarrow as pa

    if not varies(page.caption):
        return batch
    known = {"row", "id", "text", "prompt", "tags"}
    prompts = [
        write_caption(
            Words(
                each["id"],
                each["text"],
                tuple(each["tags"]),
                {name: fact for name, fact in each.items() if name not in known},
            ),
            page.caption,
        )
        for each in batch.to_pylist()
    ]
    column = batch.schema.get_field_index("prompt")
    return batch.set_column(column, "prompt", pa.array(prompts, pa.string()))


def _repeats(
    engine: Engine, tables: Sequence[MetadataTable], page: CurationSettings
) -> list[Numbers]:
    """Return the rows of each table that break near_duplicates."""
    distance = page.curate.near_duplicates
    if distance is None:
        return [np.empty(0, np.int64)] * len(tables)
    passing = [_hashes(engine, table, page) for table in tables]
    hashed = np.concatenate([values[known] for _, known, values in passing])
    stays = np.split(firsts(hashed, distance), np.cumsum([known.sum() for _, known, _ in passing]))
    repeats = []
    for (rows, known, _), own in zip(passing, stays, strict=False):
        kept = np.zeros(len(rows), bool)
        kept[known] = own
        repeats.append(rows[~kept])
    return repeats


def _hashes(
    engine: Engine, table: MetadataTable, page: CurationSettings
) -> tuple[Numbers, NDArray[np.bool_], NDArray[np.uint64]]:
    """Return number, whether the hash is known, and the hash of each row that breaks no rule."""
    sql = hashes(table, page, rows_of(engine, table))
    columns = [batch.columns for batch in batches(engine, sql)]
    rows = [each[0].to_numpy() for each in columns]
    known = [each[1].is_valid().to_numpy(zero_copy_only=False) for each in columns]
    values = [each[1].fill_null(0).to_numpy() for each in columns]
    return (
        np.concatenate([np.empty(0, np.int64), *rows]),
        np.concatenate([np.empty(0, bool), *known]),
        np.concatenate([np.empty(0, np.uint64), *values]),
    )


def rows_of(engine: Engine, table: MetadataTable) -> str:
    """Return the table as SQL, its rows numbered in order."""
    import pyarrow.parquet as pq

    if table.files:
        counts = [pq.ParquetFile(file).metadata.num_rows for file in table.files]
        return files_sql(table.files, counts)
    engine.register("harness_rows", _numbered(table))
    return "harness_rows"


def _numbered(table: MetadataTable) -> pa.RecordBatchReader:
    import pyarrow as pa

    def numbered() -> Iterator[pa.RecordBatch]:
        seen = 0
        assert table.batches is not None
        for batch in table.batches():
            numbers = pa.array(np.arange(seen, seen + batch.num_rows))
            seen += batch.num_rows
            yield pa.RecordBatch.from_arrays([*batch.columns, numbers], schema=schema)

    schema = table.schema.append(pa.field(ROW, pa.int64()))
    return pa.RecordBatchReader.from_batches(schema, numbered())
