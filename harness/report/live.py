"""What goes on while a page fills: the steps under way, and the pictures that are being drawn.

A live page loads itself again every few seconds. The last one, which is whole, does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.report.environment import environment

REFRESH = 3
"""Seconds after which a live page loads itself again."""
PLACE = Markup("<!-- what goes on -->")
"""Stands in a live page for the part that changes most often."""


@dataclass(frozen=True)
class StepUnderWay:
    """One step that is being made, and how far it is."""

    name: str
    done: int = 0
    of: int = 0
    note: str = ""


@dataclass(frozen=True)
class GoingOn:
    """What a page says while it fills."""

    seconds: float
    made: int
    total: int
    """How many of how many steps are made."""
    steps: Sequence[StepUnderWay]
    pictures: Mapping[str, Sequence[str]]
    """For each recipe that is not on the board yet, the last pictures that it drew, as URIs."""
    stopped: bool = False
    """Whether nothing goes on any more, before the end."""


def filled(page: str, going_on: GoingOn) -> str:
    """Return a live page with what goes on in its place; one that was stopped does not refresh."""
    strip = environment().get_template("pieces/live.html.j2").render(now=going_on)
    text = page.replace(PLACE, strip)
    return text.replace(refresh(), "") if going_on.stopped else text


def refresh() -> Markup:
    return Markup('<meta http-equiv="refresh" content="{}">').format(REFRESH)
