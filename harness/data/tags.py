"""How a cell's tags are read: from one cell, from a column of Arrow, and in SQL.

A list holds tags as they are. Text is split at its commas, or at its gaps where it has none.
Empty places are no tags.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from harness.data.facts import Kind
from harness.data.sql import literal

if TYPE_CHECKING:
    import pyarrow as pa

SPACES = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006"
    "\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
"""What Python strips."""
_GAP = f"[{SPACES}]*"


def tags_of(cell: Any) -> list[str]:
    """Return the tags of one cell."""
    if isinstance(cell, str):
        parts = re.split(r",", cell) if "," in cell else cell.split()
        return [part.strip() for part in parts if part.strip()]
    if isinstance(cell, list | tuple):
        return [str(tag) for tag in cell if tag not in (None, "")]
    return []


def tags_column(column: pa.Array) -> pa.Array:
    """Return the tags of every cell of a column, each as a list."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if is_list(column.type):
        return pa.array([tags_of(each) for each in column.to_pylist()], pa.list_(pa.string()))
    cells = pc.fill_null(column.cast(pa.string()), "")
    with_commas = pc.replace_substring_regex(cells, f"{_GAP}(,{_GAP})+", ",")
    with_gaps = pc.replace_substring_regex(cells, f"[{SPACES}]+", ",")
    plain = pc.if_else(pc.match_substring(cells, ","), with_commas, with_gaps)
    plain = pc.utf8_trim(plain, f",{SPACES}")
    split = pc.split_pattern(pc.if_else(pc.equal(plain, ""), None, plain), ",")
    none = pa.array([[]], pa.list_(pa.string()))
    return pc.coalesce(split, none[0])


def tags_sql(column: str, kind: Kind) -> str:
    """Return the tags of a cell in a column, as a list."""
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


def is_list(kind: pa.DataType) -> bool:
    import pyarrow.types as types

    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))
