"""What is known of a source's rows, column by column, without opening one picture.

`tables` is what columnar tools read: record batches of one schema, with the columns `id: string`,
`text: string`, `tags: list<string>` and one for each fact. Sources that keep columns give them as
they are; of the others the rows are asked, and what a fact holds decides its column's type.
"""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any

import pyarrow as pa

from harness import plugins
from harness.data.facts import RANGE
from harness.interfaces import Picture, SourceSpec, Table

ROWS = 4096
"""Rows a batch."""
OWN = ("id", "text", "tags")
"""The columns that every table has; a fact of such a name is what they already say."""
HASHED = "phash"
_TYPES = {"id": pa.string(), "text": pa.string(), "tags": pa.list_(pa.string())}


def tables(spec: SourceSpec) -> Iterator[pa.RecordBatch]:
    """Yield id, text, tags and facts of every row, in the order in which the source has them."""
    if spec.table is None:
        return told(plugins.implementation(spec)(spec))
    module, _, name = spec.table.partition(":")
    table: Table = getattr(importlib.import_module(module), name)
    return table(spec)


def told(pictures: Iterable[Picture]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of `pictures` as columns; they are kept, packed, until all types are known."""
    rows, batches = iter(pictures), []
    while some := list(islice(rows, ROWS)):
        batches.append(_packed(some))
    schema = _common([batch.schema for batch in batches])
    return (_fitted(batch, schema) for batch in batches)


def _packed(pictures: Sequence[Picture]) -> pa.RecordBatch:
    facts = dict.fromkeys(name for each in pictures for name in each.facts or {} if name not in OWN)
    columns = {
        "id": pa.array([each.id for each in pictures], _TYPES["id"]),
        "text": pa.array([each.text for each in pictures], _TYPES["text"]),
        "tags": pa.array([each.tags for each in pictures], _TYPES["tags"]),
    }
    for name in facts:
        values = [(each.facts or {}).get(name) for each in pictures]
        columns[name] = _column([_signed(each) for each in values] if name == HASHED else values)
    return pa.record_batch(columns)


def _column(values: Sequence[Any]) -> pa.Array:
    """Return the values as the one type they share, or as text."""
    plain = [
        json.dumps(each, default=str) if isinstance(each, dict | list) else each for each in values
    ]
    try:
        return pa.array(plain)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([_spelt(each) for each in plain], pa.string())


def _signed(value: Any) -> Any:
    """Return a hash of 64 bits as the number with a sign that has its bits; others as they are."""
    return value - RANGE if type(value) is int and RANGE // 2 <= value < RANGE else value


def _spelt(value: Any) -> str | None:
    """Return a value as text from which the same number is read, where it is one."""
    if isinstance(value, float) and math.isfinite(value):
        return f"{Decimal(repr(value)):f}"
    return None if value is None else str(value)


def _common(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """Return the schema that all batches can be brought to; what disagrees becomes text."""
    types: dict[str, pa.DataType] = dict(_TYPES)
    for schema in schemas:
        for field in schema:
            types[field.name] = wider(types.get(field.name, field.type), field.type)
    return pa.schema(
        [(name, pa.string() if pa.types.is_null(kind) else kind) for name, kind in types.items()]
    )


def wider(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """Return the type that both can be brought to; text, where they disagree."""
    try:
        pair = [pa.schema([("fact", kind)]) for kind in (one, other)]
        return pa.unify_schemas(pair, promote_options="permissive").field("fact").type
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.string()


def _fitted(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    there = set(batch.schema.names)
    columns = [
        batch.column(field.name).cast(field.type)
        if field.name in there
        else pa.nulls(batch.num_rows, field.type)
        for field in schema
    ]
    return pa.record_batch(columns, schema=schema)
