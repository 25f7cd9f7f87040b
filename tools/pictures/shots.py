"""Which views are shown, and what is done in each before the picture is taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from playwright.sync_api import Page

Place = Literal["dashboard", "voting", "trend", "card"]
"""The dashboard as anybody sees it, or as who has its token; the page of a sweep; of a result."""


def nothing(page: Page) -> None:
    """Take the view as it opens."""


def with_slider(page: Page) -> None:
    """Put the slider over the pair, and away from the middle."""
    page.keyboard.press("l")
    page.get_by_role("slider").first.wait_for()


@dataclass(frozen=True)
class Shot:
    """One picture: where it is taken, what of it, and how large."""

    link: str
    """Behind the address of the dashboard."""
    height: int = 760
    of: str = ""
    """The part of the page, as a CSS selector; the whole window if empty."""
    place: Place = "dashboard"
    stands: str = ""
    """The root of a component that has to be painted first."""
    before: Callable[[Page], None] = nothing
    width: int = 1200
    cut: int | None = None
    """The points of a tall part that are shown, from its top."""


SHOTS = {
    "leaderboard": Shot("", 830, stands=".board-root"),
    "grid": Shot("grid", 900, ".grid-root", stands=".grid-root", cut=620, width=870),
    "runs": Shot("run?id=pocket-v1%2Fpocket-ninja", 900),
    "regressions": Shot("regressions?candidate=pocket-ninja-short", 900),
    "memorization": Shot("memorization", 900),
    "blame": Shot("blame", 900),
    "arena": Shot("arena", 860, place="voting"),
    "where-to-stop": Shot("", 1000, place="trend"),
    "sanity-card": Shot("", 900, "table.card", "card", width=1440),
}
COMPARISON = Shot(
    "compare?a=pocket-base&b=pocket-ninja&mode=slider",
    900,
    ".compare",
    stands=".compare-root",
    width=820,
    cut=505,
)
"""The pair that is moved under the slider."""
