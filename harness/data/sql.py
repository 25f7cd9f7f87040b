"""Names and values as SQL."""

from __future__ import annotations

from collections.abc import Iterable

from harness.errors import UsageError


def quoted(name: str) -> str:
    """Return a column's name as SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as SQL."""
    if "\x00" in text:
        raise UsageError("a rule holds the character NUL", hint="remove it")
    return "'" + text.replace("'", "''") + "'"


def listed(words: Iterable[str]) -> str:
    """Return texts as SQL, with commas between them."""
    return ", ".join(literal(each) for each in words)


def double(value: float) -> str:
    """Return a number as SQL, exactly; plain decimals would be read as decimals, not floats."""
    return f"'{float(value)!r}'::DOUBLE"
