"""What on a page contradicts what: each conflict names its own field, and all come at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic_core import PydanticCustomError

KIND = "conflict"
"""The type under which pydantic reports our conflicts; pages/messages.py looks for it."""


@dataclass(frozen=True)
class Conflict:
    """One field that contradicts another, in words that follow the field's name."""

    place: tuple[str | int, ...]
    """The path of the field, counted from the part of the page that checks it."""
    message: str

    def within(self, *place: str | int) -> Conflict:
        """Return the same conflict with its path counted from further out."""
        return Conflict((*place, *self.place), self.message)


def refuse(conflicts: Iterable[Conflict]) -> None:
    """Raise all conflicts as the one error that pydantic allows a validator; none raise nothing."""
    pairs = [(conflict.place, conflict.message) for conflict in conflicts]
    if pairs:
        text = "; ".join(
            f"{'.'.join(str(part) for part in place)} {message}" for place, message in pairs
        )
        raise PydanticCustomError(KIND, "{text}", {"text": text, "conflicts": pairs})
