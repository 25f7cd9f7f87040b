"""Two curated sets row by row: the rows that one of them lacks, and what the others say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.data.curation.by_column import Limits, engine, run
from harness.data.curation.table import literal, quoted

WORDS = ("text", "prompt", "tags")
_KEYS = ("source", "row", "id")
_PLACE, _AGAIN = quoted("harness place"), quoted("harness again")


def changes(one: Path, other: Path, limits: Limits | None = None) -> Iterator[tuple[str, str]]:
    """Yield the id of each row that differs, and how: added, removed, words, facts.

    A row whose words and facts both differ comes twice. An id that returns is numbered.
    """
    import pyarrow.parquet as pq

    schemas = [pq.read_schema(file) for file in (one, other)]
    shared = [name for name in schemas[0].names if name in schemas[1].names]
    alike = {name for name in shared if schemas[0].field(name).type == schemas[1].field(name).type}
    words = _unlike([name for name in shared if name in WORDS], alike)
    facts = _unlike([name for name in shared if name not in (*WORDS, *_KEYS)], alike)
    sql = (
        f"WITH a AS ({_rows(one)}), b AS ({_rows(other)}), found AS ("
        f"SELECT coalesce(a.id, b.id) AS id, coalesce(a.{_AGAIN}, b.{_AGAIN}) AS again, "
        f"coalesce(a.{_PLACE}, b.{_PLACE}) AS place, "
        "a.id IS NULL AS added, b.id IS NULL AS removed, "
        f"{words} AS words, {facts} AS facts FROM a FULL JOIN b "
        f"ON a.source = b.source AND a.id = b.id AND a.{_AGAIN} = b.{_AGAIN}) "
        "SELECT id || CASE WHEN again > 1 THEN '#' || again ELSE '' END AS id, "
        "added, removed, words, facts FROM found WHERE added OR removed OR words OR facts "
        "ORDER BY place, added"
    )
    with engine(limits or Limits()) as running:
        for batch in run(running, sql):
            for row in batch.to_pylist():
                whole = next((how for how in ("added", "removed") if row[how]), None)
                for how in [whole] if whole else ("words", "facts"):
                    if row[how]:
                        yield row["id"], how


def _rows(file: Path) -> str:
    again = "row_number() OVER (PARTITION BY source, id ORDER BY file_row_number)"
    return (
        f"SELECT *, file_row_number AS {_PLACE}, {again} AS {_AGAIN} "
        f"FROM read_parquet({literal(str(file))}, file_row_number = true)"
    )


def _unlike(names: Iterable[str], alike: set[str]) -> str:
    """Return as SQL whether a row's columns differ; of two kinds they are held as text."""
    kinds = {name: "" if name in alike else "::VARCHAR" for name in names}
    return " OR ".join(
        ["false"]
        + [
            f"a.{quoted(name)}{kind} IS DISTINCT FROM b.{quoted(name)}{kind}"
            for name, kind in kinds.items()
        ]
    )
