"""The engine of columns, DuckDB: opened within limits, and asked for batches of rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from harness.errors import MissingPrerequisite, UsageError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    Engine = duckdb.DuckDBPyConnection
BATCH = 65_536
"""Rows of a batch."""


@dataclass(frozen=True)
class Limits:
    """What the engine may use; none of it changes what comes out."""

    threads: int = 2
    memory: str = "1500MB"
    scratch: Path | None = None
    """Where a sort or a join that is too large for memory goes."""


@contextmanager
def opened(limits: Limits | None = None) -> Iterator[Engine]:
    """Open an engine that keeps order, reaches out to nothing, and stays within its limits."""
    limits = limits or Limits()
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
        with duckdb.connect(config=settings) as engine:
            yield engine


def batches(engine: Engine, sql: str) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a query, batch by batch, in its order."""
    import duckdb

    try:
        yield from engine.sql(sql).to_arrow_reader(BATCH)
    except (duckdb.Error, OSError) as error:  # the latter, where rows have begun to come
        what = str(error).splitlines()[0][:300]
        raise UsageError(
            f"the metadata cannot be read: {what}", hint="check the files that data.source names"
        ) from error
