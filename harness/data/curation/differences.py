"""Two curated sets row by row: the rows that only one of them has, and the rows that differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from harness.data.curation.engine import Limits, batches, opened
from harness.data.sql import literal, quoted

WORDS = ("text", "prompt", "tags")
_KEYS = ("source", "row", "id")
_NUMBER, _TIMES = quoted("harness number"), quoted("harness times")
"""A row's number in its file, and how many rows of its id there are up to it."""


def changes(one: Path, other: Path, limits: Limits | None = None) -> Iterator[tuple[str, str]]:
    """Yield the id of each row that differs, and how: added, removed, words, facts.

    A row whose words and facts both differ comes twice. An id that returns is numbered.
    """
    with opened(limits) as engine:
        for batch in batches(engine, _query(one, other)):
            for row in batch.to_pylist():
                for kind in _kinds(row):
                    yield row["id"], kind


def _kinds(row: dict[str, Any]) -> list[str]:
    """Return how a row differs; of one that only one set has, nothing else is told."""
    for kind in ("added", "removed"):
        if row[kind]:
            return [kind]
    return [kind for kind in ("words", "facts") if row[kind]]


def _query(one: Path, other: Path) -> str:
    import pyarrow.parquet as pq

    a, b = (pq.read_schema(file) for file in (one, other))
    shared = [name for name in a.names if name in b.names]
    same_type = {name for name in shared if a.field(name).type == b.field(name).type}
    words = _differ([name for name in shared if name in WORDS], same_type)
    facts = _differ([name for name in shared if name not in (*WORDS, *_KEYS)], same_type)
    return f"""
        WITH a AS ({_rows(one)}), b AS ({_rows(other)}), pairs AS (
            SELECT
                coalesce(a.id, b.id) AS id,
                coalesce(a.{_TIMES}, b.{_TIMES}) AS times,
                coalesce(a.{_NUMBER}, b.{_NUMBER}) AS number,
                a.id IS NULL AS added,
                b.id IS NULL AS removed,
                {words} AS words,
                {facts} AS facts
            FROM a FULL JOIN b
                ON a.source = b.source AND a.id = b.id AND a.{_TIMES} = b.{_TIMES}
        )
        SELECT
            id || CASE WHEN times > 1 THEN '#' || times ELSE '' END AS id,
            added, removed, words, facts
        FROM pairs
        WHERE added OR removed OR words OR facts
        ORDER BY number, added
    """


def _rows(file: Path) -> str:
    return f"""
        SELECT
            *,
            file_row_number AS {_NUMBER},
            row_number() OVER (PARTITION BY source, id ORDER BY file_row_number) AS {_TIMES}
        FROM read_parquet({literal(str(file))}, file_row_number = true)
    """


def _differ(names: Iterable[str], same_type: set[str]) -> str:
    """Return whether a row's columns differ; columns of two types are compared as text."""
    kinds = {quoted(name): "" if name in same_type else "::VARCHAR" for name in names}
    columns = [f"a.{name}{kind} IS DISTINCT FROM b.{name}{kind}" for name, kind in kinds.items()]
    return " OR ".join(columns) or "false"
