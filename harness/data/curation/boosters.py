"""Boosters: of another set so many rows that they make up their share of the whole."""

from __future__ import annotations

from collections.abc import Sequence

from harness.data.facts import draw
from harness.errors import UsageError
from harness.pages.data import Booster, portions

BOOSTER = "harness booster v1"


def drawn(ids: Sequence[str], number: int, count: int) -> list[int]:
    """Return the places of the `count` rows that draw lowest, in the order of the rows."""
    draws = [draw(f"{BOOSTER}\n{number}\n", name) for name in ids]
    return sorted(sorted(range(len(ids)), key=lambda place: (draws[place], place))[:count])


def portion(rows: int, boosters: tuple[Booster, ...], number: int, there: int) -> int:
    """Return how many rows of a booster are wanted beside `rows` others, or refuse too small a set.

    Rows are not repeated: a small set that is seen often is learned by heart.
    """
    wanted = portions(rows, boosters)[number]
    if wanted <= there:
        return wanted
    weight = boosters[number].weight
    raise UsageError(
        f"a weight of {weight:g} beside {rows:,} rows needs {wanted:,} of boosters[{number}], "
        f"where {there:,} pass",
        where=f"data.boosters[{number}]",
        hint="lower its weight, or take fewer of the others by curate.subset or limit",
    )
