"""What the drawn sets and their rows are called. Draws nothing, so that pages are read quickly."""

from __future__ import annotations

from typing import Literal

SetName = Literal["faces", "ninja"]
VERSION = 1
"""Raise it whenever any row changes: it is part of every key that stands on this data."""


def id_of(name: SetName, index: int) -> str:
    """Return the id of row `index` of the set `name`."""
    return f"{name}-{index:06d}"
