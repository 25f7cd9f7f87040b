"""A table of metadata: which column means what, and what its rows say, as SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain
from pathlib import Path
from typing import TYPE_CHECKING

from harness.data import facts
from harness.data.facts import Kind, kind_of
from harness.data.sources.file_patterns import required
from harness.data.sources.rows import require
from harness.data.specs import Parquet
from harness.data.sql import literal, quoted
from harness.data.tags import tags_sql
from harness.errors import UsageError
from harness.interfaces import SourceSpec

if TYPE_CHECKING:
    import pyarrow as pa

ROW = "harness row"
"""The column with a row's number in the whole table."""
OWN = ("row", "source", "id", "text", "prompt", "tags", "bucket")
"""Columns of what is written, beside one for each fact."""
RESERVED = (*OWN, "rule", "image", "file_index", "file_row_number")
"""Names that a fact's column cannot have, for the engine or an export uses them."""


@dataclass(frozen=True)
class ColumnNames:
    """Which column is what; a row without an id is called by its number, as on the hub."""

    id: str | None = "id"
    text: str | None = "text"
    tags: str | None = "tags"
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class MetadataTable:
    """A table of rows: files of Parquet, or batches that are made anew each time."""

    schema: pa.Schema
    names: ColumnNames
    files: tuple[Path, ...] = ()
    batches: Callable[[], Iterator[pa.RecordBatch]] | None = None

    def kind(self, column: str | None) -> Kind:
        """Return what a column holds."""
        if column is None or column not in self.schema.names:
            return "other"
        return kind_of(self.schema.field(column).type)

    def tags(self) -> str:
        """Return a row's tags as SQL, a list."""
        return tags_sql("tag_cell", self.kind(self.names.tags))

    def fact(self, name: str) -> tuple[str, Kind]:
        """Return a fact's column as SQL, and what it holds; an unknown one holds nothing."""
        kind = self.kind(self.names.facts.get(name))
        return (quoted(f"fact {name}"), kind) if name in self.names.facts else ("NULL", "other")

    def number(self, fact: str) -> str:
        """Return a fact as a number, in SQL."""
        return facts.number_sql(*self.fact(fact))

    def word(self, fact: str) -> str:
        """Return a fact as a word, in SQL."""
        return facts.word_sql(*self.fact(fact))

    def year(self, fact: str) -> str:
        """Return a fact as a year, in SQL."""
        return facts.year_sql(*self.fact(fact))

    def picture_hash(self, fact: str) -> str:
        """Return a fact as a perceptual hash, in SQL."""
        return facts.picture_hash_sql(*self.fact(fact))


def metadata_of(source: SourceSpec) -> MetadataTable:
    """Return what is known of a source's rows: files of Parquet are read as they are."""
    from harness.data.sources import tables

    if isinstance(source, Parquet):
        names = ColumnNames(source.id, source.text, source.tags, source.facts)
        return parquet(tuple(required(source.files, "data.source.files")), names)
    rows = tables.tables(source)
    first = next(rows, None)
    if first is None:
        raise UsageError(f"the source {source.use} has no rows", hint="correct data.source")
    columns = {name: name for name in first.schema.names if name not in tables.OWN}
    require_distinct(first.schema.names, first.schema.names, f"the source {source.use}")
    begun = [chain([first], rows)]
    return MetadataTable(
        first.schema,
        ColumnNames(facts=columns),
        batches=lambda: begun.pop() if begun else tables.tables(source),
    )


def parquet(files: tuple[Path, ...], names: ColumnNames) -> MetadataTable:
    """Return the metadata in Parquet files, whose columns must be there."""
    if odd := [str(file) for file in files if set("*?[") & set(str(file))]:
        raise UsageError(f"{odd[0]} has *, ? or [ in its name", hint="rename the file")
    named = [names.id, names.text, names.tags, *names.facts.values()]
    used = list(dict.fromkeys(name for name in named if name is not None))
    return MetadataTable(_shared(files, used), names, files)


def _shared(files: Sequence[Path], used: Sequence[str]) -> pa.Schema:
    """Return the used columns with types that every file's values fit, or refuse the files."""
    import pyarrow as pa

    from harness.data.sources.parquet_files import opened

    types: dict[str, pa.DataType] = {}
    for file in files:
        schema = opened(file).schema_arrow
        for column in ("file_index", "file_row_number"):
            if column in schema.names:
                raise UsageError(
                    f"has a column {column!r}, which the engine calls its own",
                    where=str(file),
                    hint="rename the column",
                )
        require(used, schema.names, str(file))
        require_distinct(used, schema.names, str(file))
        for name in used:
            types[name] = _fitting(name, types.get(name), schema.field(name).type, file)
    return pa.schema(list(types.items()))


def _fitting(name: str, one: pa.DataType | None, other: pa.DataType, file: Path) -> pa.DataType:
    """Return the type that values of both types fit; a dictionary's are those that it holds."""
    import pyarrow as pa

    kind = other.value_type if pa.types.is_dictionary(other) else other
    try:
        pair = [pa.schema([(name, each)]) for each in (one or kind, kind)]
        return pa.unify_schemas(pair, promote_options="permissive").field(name).type
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        raise UsageError(
            f"holds {kind} in the column {name!r}, where a file before it holds {one}",
            where=str(file),
            hint="write all files alike",
        ) from None


def require_distinct(used: Sequence[str], there: Sequence[str], where: str) -> None:
    """Refuse columns whose names differ in case alone, which the engine takes for one."""
    for name in used:
        other = next(
            (each for each in there if each != name and each.lower() == name.lower()), None
        )
        if other is not None:
            raise UsageError(
                f"has the columns {name!r} and {other!r}, which are one to the engine",
                where=where,
                hint="rename one of them",
            )


def column_of(fact: str) -> str:
    """Return what the column of a fact is called in what is written."""
    return f"fact_{fact}" if fact.lower() in RESERVED else fact


def rows(table: MetadataTable, source: str) -> str:
    """Return the table in `source` under our names: row, id, text, tag_cell, and the facts."""
    names = table.names
    number = quoted(ROW)
    name = f"{quoted(names.id)}::VARCHAR" if names.id else f"printf('%08d', {number})"
    text = quoted(names.text) if names.text else "NULL"
    text = f"{text}[1]" if table.kind(names.text) == "list" else f"{text}::VARCHAR"
    tags = quoted(names.tags) if names.tags else "NULL"
    columns = "".join(
        f", {quoted(column)} AS {quoted(f'fact {fact}')}" for fact, column in names.facts.items()
    )
    return (
        f"SELECT {number} AS row, coalesce({name}, 'None') AS id, coalesce({text}, '') AS text, "
        f"{tags} AS tag_cell{columns} FROM {source}"
    )


def files_sql(files: Sequence[Path], counts: Sequence[int]) -> str:
    """Return Parquet files as one table whose rows are numbered in order.

    Columns are met by name, and hold what the values of all files fit in. Statistics in the files
    leave NaN out; unless told so the engine takes them at their word.
    """
    before = [0, *accumulate(counts)][:-1]
    names = ", ".join(literal(str(file)) for file in files)
    return (
        f"(SELECT *, ({before}::BIGINT[])[file_index::BIGINT + 1] + file_row_number AS "
        f"{quoted(ROW)} FROM read_parquet([{names}], file_row_number = true, can_have_nan = true, "
        "union_by_name = true))"
    )
