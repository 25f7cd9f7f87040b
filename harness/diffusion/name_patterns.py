"""The patterns of layer names in an adapter's metadata, matched without running them.

PEFT takes each as a regular expression, and a stranger's expression can take forever. What files
are written with is a small part of that language: names, `.*` for anything, and `|` between them.
Only that part is read, in a time that grows with the lengths and no faster.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

MOST = 16
"""Patterns with `.*` that a file may have; names without it may be as many as there are."""
_ALTERNATIVE = re.compile(r"\^?(?:[\w./-]|\\[\W_]|\.\*)+\$?")
_PIECE = re.compile(r"\.\*|\\.|.")
ANYTHING = ".*"


class NamePatterns:
    """Values by patterns of layer names; the first pattern that matches gives the value.

    A pattern is one name, or the end of one from a dot on. With `^` it is the whole name.
    """

    def __init__(self, patterns: Mapping[str, Any]) -> None:
        self._names: dict[str, tuple[int, Any]] = {}
        self._wild: list[tuple[int, list[str], Any]] = []
        for place, (pattern, value) in enumerate(patterns.items()):
            for alternative in _alternatives(pattern):
                whole = alternative.startswith("^")
                pieces = _pieces(alternative.removeprefix("^").removesuffix("$"))
                if ANYTHING in pieces:
                    self._wild.append((place, pieces, value))
                    if not whole:
                        self._wild.append((place, [ANYTHING, ".", *pieces], value))
                else:
                    name = ("^" if whole else "") + "".join(pieces)
                    self._names.setdefault(name, (place, value))
        if len(self._wild) > 2 * MOST:
            raise ValueError(f"its metadata has more than {MOST} patterns with .*")

    def find(self, *names: str) -> Any:
        """Return the value of the first pattern that matches one of the names; None without one."""
        found = [
            hit for name in names for each in _ends(name) if (hit := self._names.get(each))
        ] + [
            (place, value)
            for place, pieces, value in self._wild
            for name in names
            if _matches(pieces, name)
        ]
        return min(found, key=lambda hit: hit[0])[1] if found else None


def _alternatives(pattern: str) -> list[str]:
    alternatives = pattern.split("|")
    for each in alternatives:
        if _ALTERNATIVE.fullmatch(each) is None:
            raise ValueError(
                f"the pattern {each[:60]!r} in its metadata is more than a name, .* and |"
            )
    return alternatives


def _pieces(alternative: str) -> list[str]:
    """Return the letters of a pattern, and `.*` where anything may stand."""
    found = _PIECE.findall(alternative)
    return [each[1] if each[0] == "\\" else each for each in found]


def _ends(name: str) -> Iterator[str]:
    """Yield a name, the name as a whole, and each end of it that begins after a dot."""
    yield f"^{name}"
    yield name
    for at, letter in enumerate(name):
        if letter == ".":
            yield name[at + 1 :]


def _matches(pieces: list[str], name: str) -> bool:
    """Return whether a name is what the pieces say; a later `.*` replaces an earlier one."""
    piece = letter = 0
    anything, taken = -1, 0
    while letter < len(name):
        if piece < len(pieces) and pieces[piece] == ANYTHING:
            anything, taken = piece, letter
            piece += 1
        elif piece < len(pieces) and pieces[piece] == name[letter]:
            piece, letter = piece + 1, letter + 1
        elif anything >= 0:
            taken += 1
            piece, letter = anything + 1, taken
        else:
            return False
    return all(each == ANYTHING for each in pieces[piece:])
