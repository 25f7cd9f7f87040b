"""What a fact of a row says, whatever it was written as; None where it says nothing.

Not a number (NaN), text that is no plain number and truth values are unknown, as a missing fact
is. The columnar engine reads columns by the same rules: see columns.py.
"""

from __future__ import annotations

import hashlib
import math
import re
from decimal import Decimal
from typing import Any

NUMBER = r"[+-]?[0-9]{1,15}(\.[0-9]{1,15})?"
HASH = r"[0-9a-fA-F]{16}"
_NUMBER, _HASH = re.compile(NUMBER), re.compile(HASH)
WHOLE = 2**64
"""How many hashes, and how many places of a lot, there are."""


def value_of(value: Any) -> float | None:
    """Return a number, or the number that a text spells."""
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return None if math.isnan(number) else number


def word_of(value: Any) -> str | None:
    """Return a word, or a whole number as one."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def year_of(value: Any) -> str | None:
    """Return a year in figures, or the word that stands for one; 0 and nothing are none."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    return (word_of(value) or None) if value else None


def hash_of(value: Any) -> int | None:
    """Return a perceptual hash of 64 bits, from a number of either sign or 16 hex digits."""
    if isinstance(value, str):
        return int(value, 16) if _HASH.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value % WHOLE if -(WHOLE // 2) <= value < WHOLE else None


def lot(*words: str) -> str:
    """Return the 16 hex digits that decide what becomes of a row: even between 0 and WHOLE."""
    return hashlib.sha256("\n".join(words).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def below(share: float) -> str | None:
    """Return what a lot must lie below to be among `share` of all; None where all are."""
    bound = math.ceil(share * WHOLE)
    return f"{bound:016x}" if bound < WHOLE else None
