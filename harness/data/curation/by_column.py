"""Run a page's rules over a table of metadata, in order and in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.data.curation import table as columns
from harness.data.curation.captions import varies, write_caption
from harness.data.curation.query import Rules, conditions, hashes, query
from harness.data.curation.recaption import check
from harness.data.curation.table import ROW, Metadata
from harness.data.near_duplicates import firsts
from harness.errors import MissingPrerequisite, UsageError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    Engine = duckdb.DuckDBPyConnection
Numbers = NDArray[np.int64]
BATCH = 65_536
"""Rows judged between two looks at them."""
Heard = Callable[[int, int], None]
"""Told how many rows were judged, and how many are kept."""


@dataclass(frozen=True)
class Limits:
    """What the engine may use; none of it changes what comes out."""

    threads: int = 2
    memory: str = "1500MB"
    scratch: Path | None = None
    """Where a sort or a join that is too large for memory goes."""


@dataclass(frozen=True)
class Line:
    """One kept row, as captions.py reads it."""

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


def select(
    tables: Sequence[Metadata],
    rules: Rules,
    dropped: Counter[str],
    limits: Limits | None = None,
    heard: Heard | None = None,
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield the rows that pass, with their prompts, each batch with the number of its table.

    Tables count as one that follows the other; `dropped` counts the rows that do not pass by rule.
    """
    if rules.recaption is not None:
        check(rules.recaption)
    count, limit = Count(), rules.curate.limit
    with engine(limits or Limits()) as running:
        repeats = _repeats(running, tables, rules)
        for number, table in enumerate(tables):
            names = ["", *(name for name, _ in conditions(table, rules)), "near_duplicates"]
            stream = run(running, query(table, rules, _source(running, table)))
            for rows, rule in _judged(stream, repeats[number], len(names) - 1):
                passing = np.flatnonzero(rule == 0)
                if limit is not None and count.kept + len(passing) >= limit:
                    passing = passing[: limit - count.kept]
                    rule = rule[: passing[-1] + 1]  # rows behind the last one do not count
                _tally(names, rule, dropped)
                count.seen, count.kept = count.seen + len(rule), count.kept + len(passing)
                if len(passing):
                    yield number, _worded(rows.take(passing).drop_columns(["rule"]), rules)
                if heard is not None:
                    heard(count.seen, count.kept)
                if count.kept == limit:
                    return


def _judged(
    stream: Iterator[pa.RecordBatch], repeats: Numbers | None, name: int
) -> Iterator[tuple[pa.RecordBatch, NDArray[np.uint8]]]:
    """Yield each batch with the rule that each of its rows breaks; `repeats` break `name`."""
    seen = 0
    for batch in stream:
        rows = batch.column("row").to_numpy()
        if not np.array_equal(rows, np.arange(seen, seen + len(rows))):
            raise AssertionError("the engine has lost the order of the rows")
        seen += len(rows)
        rule = batch.column("rule").to_numpy().copy()
        if repeats is not None:
            rule[(rule == 0) & np.isin(rows, repeats)] = name
        yield batch, rule


def _tally(names: list[str], rule: NDArray[np.uint8], dropped: Counter[str]) -> None:
    counts = np.bincount(rule, minlength=len(names)).tolist()
    dropped.update({name: many for name, many in zip(names, counts, strict=True) if name and many})


def _worded(batch: pa.RecordBatch, rules: Rules) -> pa.RecordBatch:
    """Return the rows with prompts, where the engine has left these to captions.py."""
    import pyarrow as pa

    if not varies(rules.caption):
        return batch
    known = {"row", "id", "text", "prompt", "tags"}
    prompts = [
        write_caption(
            Line(
                each["id"],
                each["text"],
                tuple(each["tags"]),
                {name: fact for name, fact in each.items() if name not in known},
            ),
            rules.caption,
        )
        for each in batch.to_pylist()
    ]
    place = batch.schema.get_field_index("prompt")
    return batch.set_column(place, "prompt", pa.array(prompts, pa.string()))


def _repeats(
    running: Engine, tables: Sequence[Metadata], rules: Rules
) -> list[Numbers] | list[None]:
    """Return the rows of each table that break near_duplicates, or None where nobody asks."""
    distance = rules.curate.near_duplicates
    if distance is None:
        return [None] * len(tables)
    passing = [_hashes(running, table, rules) for table in tables]
    hashed = np.concatenate([values[known] for _, known, values in passing])
    stays = np.split(firsts(hashed, distance), np.cumsum([known.sum() for _, known, _ in passing]))
    found = []
    for (rows, known, _), own in zip(passing, stays, strict=False):
        kept = np.zeros(len(rows), bool)
        kept[known] = own
        found.append(rows[~kept])
    return found


def _hashes(
    running: Engine, table: Metadata, rules: Rules
) -> tuple[Numbers, NDArray[np.bool_], NDArray[np.uint64]]:
    """Return number, whether the hash is known, and the hash of each row that breaks no rule."""
    sql = hashes(table, rules, _source(running, table))
    found = [batch.columns for batch in run(running, sql)]
    rows = [each[0].to_numpy() for each in found]
    known = [each[1].is_valid().to_numpy(zero_copy_only=False) for each in found]
    values = [each[1].fill_null(0).to_numpy() for each in found]
    return (
        np.concatenate([np.empty(0, np.int64), *rows]),
        np.concatenate([np.empty(0, bool), *known]),
        np.concatenate([np.empty(0, np.uint64), *values]),
    )


def _source(running: Engine, table: Metadata) -> str:
    """Return the table as SQL, its rows numbered in order."""
    import pyarrow.parquet as pq

    if table.files:
        counts = [pq.ParquetFile(file).metadata.num_rows for file in table.files]
        return columns.files_sql(table.files, counts)
    running.register("harness_rows", _numbered(table))
    return "harness_rows"


def _numbered(table: Metadata) -> pa.RecordBatchReader:
    import pyarrow as pa

    def batches() -> Iterator[pa.RecordBatch]:
        seen = 0
        assert table.batches is not None
        for batch in table.batches():
            numbers = pa.array(np.arange(seen, seen + batch.num_rows))
            seen += batch.num_rows
            yield pa.RecordBatch.from_arrays([*batch.columns, numbers], schema=schema)

    schema = table.schema.append(pa.field(ROW, pa.int64()))
    return pa.RecordBatchReader.from_batches(schema, batches())


def run(running: Engine, sql: str) -> Iterator[pa.RecordBatch]:
    """Yield what a query finds, batch by batch, in its order."""
    import duckdb

    try:
        yield from running.sql(sql).to_arrow_reader(BATCH)
    except (duckdb.Error, OSError) as error:  # the latter, where rows have begun to come
        what = str(error).splitlines()[0][:300]
        raise UsageError(
            f"the metadata cannot be read: {what}", hint="check the files that data.source names"
        ) from error


@contextmanager
def engine(limits: Limits) -> Iterator[Engine]:
    """Open an engine that keeps order, reaches out to nothing, and stays within its limits."""
    try:
        import duckdb
    except ImportError:
        raise MissingPrerequisite(
            "curating columns needs duckdb", hint="pip install 'harness[curate]'"
        ) from None
    with TemporaryDirectory(prefix="harness-", dir=limits.scratch) as scratch:
        settings: dict[str, Any] = {
            "threads": limits.threads,
            "memory_limit": limits.memory,
            "temp_directory": scratch,
            "preserve_insertion_order": True,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        with duckdb.connect(config=settings) as running:
            yield running
