"""How each kind of fact is read: from one value, and from a column in SQL or Arrow.

Functions of one name read alike. NaN, text that is no plain number, and truth values are
unknown, as a missing fact is: None in Python, NULL in SQL.
"""

from __future__ import annotations

import hashlib
import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.data.sql import literal

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["whole", "float", "decimal", "text", "list", "other"]
"""What a column holds."""
NUMBER = r"[+-]?[0-9]{1,15}(\.[0-9]{1,15})?"
HASH = r"[0-9a-fA-F]{16}"
_NUMBER, _HASH = re.compile(NUMBER), re.compile(HASH)
RANGE = 2**64
"""How many hashes there are, and how many numbers a row may draw."""


def kind_of(kind: pa.DataType) -> Kind:
    """Return what a column of a type of Arrow holds."""
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


def number(value: Any) -> float | None:
    """Return a number, or the number that a text spells."""
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        read = float(value)
    except OverflowError:
        return None
    return None if math.isnan(read) else read


def number_sql(column: str, kind: Kind) -> str:
    if kind == "text":
        return f"CASE WHEN regexp_full_match({column}, '{NUMBER}') THEN {column}::DOUBLE END"
    if kind == "float":
        return f"CASE WHEN NOT isnan({column}) THEN {column}::DOUBLE END"
    return f"{column}::DOUBLE" if kind in ("whole", "decimal") else "NULL::DOUBLE"


def number_column(column: pa.Array) -> NDArray[np.float64]:
    """Return the numbers in a column of Arrow, NaN where they are unknown."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = kind_of(column.type)
    if kind not in ("text", "whole", "float", "decimal"):
        return np.full(len(column), np.nan)
    if kind == "text":
        column = column.cast(pa.string())
        column = pc.if_else(pc.match_substring_regex(column, f"^({NUMBER})$"), column, None)
    numbers = pc.cast(column, pa.float64(), safe=False)
    read: NDArray[np.float64] = pc.fill_null(numbers, np.nan).to_numpy(zero_copy_only=False)
    return read


def word(value: Any) -> str | None:
    """Return a word, or a whole number as one."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def word_sql(column: str, kind: Kind) -> str:
    return f"{column}::VARCHAR" if kind in ("text", "whole") else "NULL::VARCHAR"


def year(value: Any) -> str | None:
    """Return a year in figures, or the word that stands for one; 0 and an empty text are none."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    return (word(value) or None) if value else None


def year_sql(column: str, kind: Kind) -> str:
    if kind == "float":
        whole = f"isfinite({column}) AND {column} = trunc({column}) AND abs({column}) < 1e15"
        return f"CASE WHEN {whole} AND {column} <> 0 THEN {column}::BIGINT::VARCHAR END"
    if kind == "whole":
        return f"CASE WHEN {column} <> 0 THEN {column}::VARCHAR END"
    return f"nullif({word_sql(column, kind)}, '')"


def picture_hash(value: Any) -> int | None:
    """Return a perceptual hash of 64 bits, from a number of either sign or 16 hex digits."""
    if isinstance(value, str):
        return int(value, 16) if _HASH.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value % RANGE if -(RANGE // 2) <= value < RANGE else None


def picture_hash_sql(column: str, kind: Kind) -> str:
    if kind == "text":
        return (
            f"CASE WHEN regexp_full_match({column}, '{HASH}') THEN ('0x' || {column})::UBIGINT END"
        )
    if kind != "whole":
        return "NULL::UBIGINT"
    wide = f"{column}::HUGEINT"
    return f"(CASE WHEN {column} < 0 THEN {wide} + {RANGE} ELSE {wide} END)::UBIGINT"


def draw(before: str, name: str) -> str:
    """Return the 16 hex digits that a row draws: by its id, alike everywhere, evenly spread."""
    drawn = hashlib.sha256(f"{before}{name}".encode("utf-8", "surrogatepass"))
    return drawn.hexdigest()[:16]


def draw_sql(before: str) -> str:
    """Return what the row with the id in the column `id` draws."""
    return f"substr(sha256({literal(before)} || id), 1, 16)"


def below(share: float) -> str | None:
    """Return what a draw must lie below to be among `share` of all; None where all are."""
    bound = math.ceil(share * RANGE)
    return f"{bound:016x}" if bound < RANGE else None
