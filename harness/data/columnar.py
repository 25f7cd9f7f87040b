"""Run a page's rules over a table of metadata, in order and in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data import columns
from harness.data.captions import varies, write_caption
from harness.data.columns import ROW, Metadata
from harness.data.neighbours import firsts
from harness.data.recaption import check
from harness.data.rules import Rules, conditions, hashes, query
from harness.errors import MissingPrerequisite, UsageError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

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


def select(
    table: Metadata, rules: Rules, dropped: Counter[str], limits: Limits | None = None,
    heard: Heard | None = None,
) -> Iterator[pa.RecordBatch]:  # fmt: skip
    """Yield the rows that pass, with their prompts; `dropped` counts the others by rule."""
    if rules.recaption is not None:
        check(rules.recaption)
    with _engine(limits or Limits()) as engine:
        repeats = _repeats(engine, table, rules)
        names = ["", *(name for name, _ in conditions(table, rules)), "near_duplicates"]
        stream = _run(engine, query(table, rules, _source(engine, table)))
        yield from _sifted(stream, rules, names, repeats, dropped, heard)


def _sifted(
    stream: Iterator[pa.RecordBatch], rules: Rules, names: list[str],
    repeats: np.ndarray[Any, Any] | None, dropped: Counter[str], heard: Heard | None,
) -> Iterator[pa.RecordBatch]:  # fmt: skip
    """Yield the kept rows of a judged stream; rows behind the last that is needed do not count."""
    seen = kept = 0
    for batch in stream:
        rows = batch.column("row").to_numpy()
        if not np.array_equal(rows, np.arange(seen, seen + len(rows))):
            raise AssertionError("the engine has lost the order of the rows")
        rule = batch.column("rule").to_numpy().copy()
        if repeats is not None:
            rule[(rule == 0) & np.isin(rows, repeats)] = len(names) - 1
        passing = np.flatnonzero(rule == 0)
        room = None if rules.curate.limit is None else rules.curate.limit - kept
        ends = room is not None and len(passing) >= room
        if ends:
            passing = passing[:room]
            rule = rule[: passing[-1] + 1]
        counts = np.bincount(rule, minlength=len(names))
        dropped.update({name: int(counts[at]) for at, name in enumerate(names) if at and counts[at]})
        seen, kept = seen + len(rule), kept + len(passing)
        if len(passing):
            yield _worded(batch.take(passing).drop_columns(["rule"]), rules)
        if heard is not None:
            heard(seen, kept)
        if ends:
            return


def _worded(batch: pa.RecordBatch, rules: Rules) -> pa.RecordBatch:
    """Return the rows with prompts, where the engine has left these to captions.py."""
    import pyarrow as pa

    if not varies(rules.caption):
        return batch
    known = {"row", "id", "text", "prompt", "tags"}
    prompts = [
        write_caption(
            Line(each["id"], each["text"], tuple(each["tags"]),
                 {name: fact for name, fact in each.items() if name not in known}),
            rules.caption,
        )
        for each in batch.to_pylist()
    ]  # fmt: skip
    place = batch.schema.get_field_index("prompt")
    return batch.set_column(place, "prompt", pa.array(prompts, pa.string()))


def _repeats(engine: Any, table: Metadata, rules: Rules) -> np.ndarray[Any, Any] | None:
    """Return the rows that break near_duplicates, or None where nobody asks."""
    distance = rules.curate.near_duplicates
    if distance is None:
        return None
    found = [
        (batch.column("row").to_numpy(), batch.column("phash"))
        for batch in _run(engine, hashes(table, rules, _source(engine, table)))
    ]
    if not found:
        return np.empty(0, np.int64)
    rows = np.concatenate([rows for rows, _ in found])
    known = ~np.concatenate([each.is_null().to_numpy(zero_copy_only=False) for _, each in found])
    values = np.concatenate([each.fill_null(0).to_numpy() for _, each in found])
    stays = np.zeros(len(rows), bool)
    stays[known] = firsts(values[known].astype(np.uint64), distance)
    return rows[~stays]


def _source(engine: Any, table: Metadata) -> str:
    """Return the table as SQL, its rows numbered in order."""
    import pyarrow.parquet as pq

    if table.files:
        counts = [pq.ParquetFile(file).metadata.num_rows for file in table.files]
        return columns.files_sql(table.files, counts)
    engine.register("harness_rows", _numbered(table))
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


def _run(engine: duckdb.DuckDBPyConnection, sql: str) -> Iterator[pa.RecordBatch]:
    import duckdb

    try:
        yield from engine.sql(sql).to_arrow_reader(BATCH)
    except duckdb.Error as error:
        what = str(error).splitlines()[0][:300]
        raise UsageError(f"the metadata cannot be read: {what}",
                         hint="check the files and the columns of data.source") from error  # fmt: skip


@contextmanager
def _engine(limits: Limits) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an engine that keeps order, reaches out to nothing, and stays within its limits."""
    try:
        import duckdb
    except ImportError:
        raise MissingPrerequisite(
            "curating columns needs duckdb", hint="pip install 'harness[curate]'"
        ) from None
    with TemporaryDirectory(prefix="harness-", dir=limits.scratch) as scratch:
        settings: dict[str, Any] = {
            "threads": limits.threads, "memory_limit": limits.memory, "temp_directory": scratch,
            "preserve_insertion_order": True, "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }  # fmt: skip
        with duckdb.connect(config=settings) as engine:
            yield engine
