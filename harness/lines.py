"""Lines of JSON: each is ended by a newline, and by no other letter that ends one somewhere."""

from __future__ import annotations


def lines_of(text: str) -> list[str]:
    """Return the lines that are not empty; `splitlines` would cut a word at U+2028 or U+0085."""
    return [line for line in text.split("\n") if line.strip()]
