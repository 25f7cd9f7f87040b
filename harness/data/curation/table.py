"""Columns of metadata as SQL: which column means what, and what a fact says.

The expressions here say of a column what facts.py says of a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.data.curation.cleaning import SPACES
from harness.data.facts import HASH, NUMBER
from harness.data.sources.file_patterns import required
from harness.data.sources.rows import require
from harness.data.specs import Parquet
from harness.errors import UsageError
from harness.interfaces import SourceSpec

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["whole", "float", "decimal", "text", "list", "other"]
ROW = "harness row"
"""The column with a row's number in the whole table."""
OWN = ("row", "source", "id", "text", "prompt", "tags", "bucket")
"""Columns of what is written, beside one for each fact."""
TAKEN = (*OWN, "rule", "image", "file_index", "file_row_number")
"""Names that a fact's column cannot have, for the engine or an export calls something else so."""


@dataclass(frozen=True)
class Meaning:
    """Which column is what; a row without an id is called by its number, as on the hub."""

    id: str | None = "id"
    text: str | None = "text"
    tags: str | None = "tags"
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Metadata:
    """A table of rows: files of Parquet, or batches that are made anew each time."""

    schema: pa.Schema
    meaning: Meaning
    files: tuple[Path, ...] = ()
    batches: Callable[[], Iterator[pa.RecordBatch]] | None = None

    def kind(self, column: str | None) -> Kind:
        """Return what a column holds."""
        if column is None or column not in self.schema.names:
            return "other"
        return kind_of(self.schema.field(column).type)

    def tags(self) -> str:
        """Return a row's tags as SQL, a list."""
        return tag_list("worn", self.kind(self.meaning.tags))

    def fact(self, name: str) -> tuple[str, Kind]:
        """Return a fact's column as SQL, and what it holds; an unknown one holds nothing."""
        kind = self.kind(self.meaning.facts.get(name))
        return (quoted(f"fact {name}"), kind) if name in self.meaning.facts else ("NULL", "other")


def metadata_of(source: SourceSpec) -> Metadata:
    """Return what is known of a source's rows: files of Parquet are read as they are."""
    from harness.data.sources import tables

    if isinstance(source, Parquet):
        meaning = Meaning(source.id, source.text, source.tags, source.facts)
        return parquet(tuple(required(source.files, "data.source.files")), meaning)
    rows = tables.tables(source)
    first = next(rows, None)
    if first is None:
        raise UsageError(f"the source {source.use} has no rows", hint="correct data.source")
    facts = {name: name for name in first.schema.names if name not in tables.OWN}
    told_apart(first.schema.names, first.schema.names, f"the source {source.use}")
    begun = [chain([first], rows)]
    return Metadata(
        first.schema,
        Meaning(facts=facts),
        batches=lambda: begun.pop() if begun else tables.tables(source),
    )


def parquet(files: tuple[Path, ...], meaning: Meaning) -> Metadata:
    """Return the metadata in Parquet files, whose columns must be there."""
    if odd := [str(file) for file in files if set("*?[") & set(str(file))]:
        raise UsageError(f"{odd[0]} has *, ? or [ in its name", hint="rename the file")
    named = [meaning.id, meaning.text, meaning.tags, *meaning.facts.values()]
    used = list(dict.fromkeys(name for name in named if name is not None))
    return Metadata(_shared(files, used), meaning, files)


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
        told_apart(used, schema.names, str(file))
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


def told_apart(used: Sequence[str], there: Sequence[str], where: str) -> None:
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


def kind_of(kind: pa.DataType) -> Kind:
    import pyarrow.types as types

    if types.is_dictionary(kind):
        return kind_of(kind.value_type)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return "list" if kind_of(kind.value_type) == "text" else "other"
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "text"
    if types.is_integer(kind):
        return "whole"
    if types.is_floating(kind):
        return "float"
    return "decimal" if types.is_decimal(kind) else "other"


def quoted(name: str) -> str:
    """Return a column's name as SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as SQL."""
    if "\x00" in text:
        raise UsageError("a rule holds the character NUL", hint="remove it")
    return "'" + text.replace("'", "''") + "'"


def written(fact: str) -> str:
    """Return what the column of a fact is called in what is written."""
    return f"fact_{fact}" if fact.lower() in TAKEN else fact


def value(column: str, kind: Kind) -> str:
    """Return a fact as a number: see facts.value_of."""
    if kind == "text":
        return f"CASE WHEN regexp_full_match({column}, '{NUMBER}') THEN {column}::DOUBLE END"
    if kind == "float":
        return f"CASE WHEN NOT isnan({column}) THEN {column}::DOUBLE END"
    return f"{column}::DOUBLE" if kind in ("whole", "decimal") else "NULL::DOUBLE"


def word(column: str, kind: Kind) -> str:
    """Return a fact as a word: see facts.word_of."""
    return f"{column}::VARCHAR" if kind in ("text", "whole") else "NULL::VARCHAR"


def year(column: str, kind: Kind) -> str:
    """Return a fact as a year in figures: see facts.year_of."""
    if kind == "float":
        whole = f"isfinite({column}) AND {column} = trunc({column}) AND abs({column}) < 1e15"
        return f"CASE WHEN {whole} AND {column} <> 0 THEN {column}::BIGINT::VARCHAR END"
    if kind == "whole":
        return f"CASE WHEN {column} <> 0 THEN {column}::VARCHAR END"
    return f"nullif({word(column, kind)}, '')"


def hashed(column: str, kind: Kind) -> str:
    """Return a fact as a hash of 64 bits: see facts.hash_of."""
    if kind == "text":
        return (
            f"CASE WHEN regexp_full_match({column}, '{HASH}') THEN ('0x' || {column})::UBIGINT END"
        )
    if kind != "whole":
        return "NULL::UBIGINT"
    wide = f"{column}::HUGEINT"
    return f"(CASE WHEN {column} < 0 THEN {wide} + 18446744073709551616 ELSE {wide} END)::UBIGINT"


def tag_list(column: str, kind: Kind) -> str:
    """Return a row's tags as a list without empty ones: see cells.tags_of."""
    if kind == "list":
        return f"coalesce(list_filter({column}, lambda t: t <> ''), [])"
    if kind != "text":
        return "[]::VARCHAR[]"
    text = f"coalesce({column}::VARCHAR, '')"
    odd = literal(f"[,{SPACES.replace(' ', '')}]|^ | $|  |^$")
    commas = f"list_transform(string_split({text}, ','), lambda t: trim(t, {literal(SPACES)}))"
    spaces = f"regexp_split_to_array({text}, {literal(f'[{SPACES}]+')})"
    split = f"CASE WHEN contains({text}, ',') THEN {commas} ELSE {spaces} END"
    return (  # nearly every text has one space between two tags, and needs no more than a split
        f"CASE WHEN regexp_matches({text}, {odd}) THEN list_filter({split}, lambda t: t <> '') "
        f"ELSE string_split({text}, ' ') END"
    )


def rows(table: Metadata, source: str) -> str:
    """Return the table in `source` under our names: row, id, text, facts, and tags as `worn`."""
    meaning = table.meaning
    number = quoted(ROW)
    name = f"{quoted(meaning.id)}::VARCHAR" if meaning.id else f"printf('%08d', {number})"
    text = quoted(meaning.text) if meaning.text else "NULL"
    text = f"{text}[1]" if table.kind(meaning.text) == "list" else f"{text}::VARCHAR"
    tags = quoted(meaning.tags) if meaning.tags else "NULL"
    facts = "".join(
        f", {quoted(column)} AS {quoted(f'fact {fact}')}" for fact, column in meaning.facts.items()
    )
    return (
        f"SELECT {number} AS row, coalesce({name}, 'None') AS id, coalesce({text}, '') AS text, "
        f"{tags} AS worn{facts} FROM {source}"
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
