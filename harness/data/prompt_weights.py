"""Prompts with weights, as A1111-like interfaces write them. No network library in here.

`(x)` weighs 1.1 and `[x]` 1/1.1, brackets in brackets multiply, `(x:1.3)` says it in figures; a
backslash makes a bracket a sign like any other; BREAK ends a window of tokens. What else those
interfaces read is words here: `[a:b:0.5]`, `[a|b]`, AND, `<lora:…>`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import groupby

_STEPS = {"(": 1.1, "[": 1 / 1.1}
_OPENERS = {")": "(", "]": "["}
_SIGN = re.compile(
    r"""\\(?P<escaped>[\\()\[\]]?)
    | (?P<open>[(\[])
    | :\s*(?P<weight>[+-]?(?:\d+\.?\d*|\.\d+))\s*\)
    | (?P<close>[)\]])
    | \s*\b(?P<stop>BREAK)\b\s*
    | .""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Piece:
    """Words of one weight."""

    text: str
    weight: float = 1.0


Stretch = list[Piece]
"""What stands between two BREAKs."""
_Read = list[Piece | None]
"""Pieces in order, with None for each BREAK."""


def parse(text: str) -> list[Stretch]:
    """Return the stretches of a prompt; a bracket that nothing closes reaches to the end."""
    read: _Read = []
    opened: dict[str, list[int]] = {opener: [] for opener in _STEPS}
    for match in _SIGN.finditer(text):
        kind, sign = match.lastgroup, match[0]
        starts = opened[_OPENERS[sign[-1]]] if kind in ("weight", "close") else []
        if kind == "open":
            opened[sign].append(len(read))
        elif starts:
            step = match["weight"] or _STEPS[_OPENERS[sign]]
            _weigh(read, starts.pop(), float(step))
        else:
            read.append(None if kind == "stop" else Piece(match["escaped"] or _shown(match)))
    for opener, starts in opened.items():
        for start in starts:
            _weigh(read, start, _STEPS[opener])
    return _stretches(read)


def plain(text: str) -> str:
    """Return the words of a prompt without its weights."""
    stretches = ("".join(piece.text for piece in stretch).strip() for stretch in parse(text))
    return " ".join(stretch for stretch in stretches if stretch)


def _shown(match: re.Match[str]) -> str:
    return "" if match.lastgroup == "escaped" else match[0]


def _weigh(read: _Read, start: int, factor: float) -> None:
    for at, piece in enumerate(read[start:], start):
        if piece is not None:
            read[at] = replace(piece, weight=piece.weight * factor)


def _stretches(read: _Read) -> list[Stretch]:
    stretches: list[list[Piece]] = [[]]
    for piece in read:
        if piece is None:
            stretches.append([])
        elif piece.text:
            stretches[-1].append(piece)
    return [_joined(stretch) for stretch in stretches]


def _joined(pieces: Iterable[Piece]) -> Stretch:
    """Return neighbours of one weight as one piece, so that a tokenizer sees whole words."""
    return [
        Piece("".join(piece.text for piece in alike), weight)
        for weight, alike in groupby(pieces, key=lambda piece: piece.weight)
    ]
