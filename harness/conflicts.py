"""What on a page does not go together: every quarrel names its own field, and all come at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic_core import PydanticCustomError

KIND = "quarrel"
"""The word under which pydantic hands our quarrels on to complaints.py."""


@dataclass(frozen=True)
class Quarrel:
    """One field that does not go with another, in words that follow the field's name."""

    place: tuple[str | int, ...]
    """Where, counted from the part of the page that notices it."""
    message: str

    def within(self, *place: str | int) -> Quarrel:
        """Return the same quarrel as it is seen from further out."""
        return Quarrel((*place, *self.place), self.message)


def refuse(quarrels: Iterable[Quarrel]) -> None:
    """Raise all quarrels as the one error that pydantic allows a validator; none raise nothing."""
    found = [(quarrel.place, quarrel.message) for quarrel in quarrels]
    if found:
        said = "; ".join(
            f"{'.'.join(str(part) for part in place)} {message}" for place, message in found
        )
        raise PydanticCustomError(KIND, "{said}", {"said": said, "quarrels": found})
