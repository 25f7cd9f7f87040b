"""The pages of the documentation, and how new outputs are written into them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tools.docs.blocks import Page
from tools.docs.execution import Outcome

ROOT = Path(__file__).parents[2]


def pages() -> list[Path]:
    """Return README.md and every page below docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def elsewhere(page: Page) -> Outcome | None:
    """Return the outcome of a page whose blocks another test runs, if it says so."""
    marks = page.marked("elsewhere")
    if not marks:
        return None
    assert (ROOT / marks[0].rest).is_file(), f"{page.file.name}: there is no {marks[0].rest}"
    count = sum(block.is_run for block in page.blocks)
    return Outcome(executed=count, elsewhere=count)


def blessed(page: Page, new: Mapping[int, str]) -> str:
    """Return a page's text with new insides for the blocks that begin at these lines."""
    lines = page.text.splitlines()
    for block in reversed(page.blocks):
        if block.line in new:
            inside = [block.indent + line if line else "" for line in new[block.line].splitlines()]
            lines[block.line : block.line + len(block.text.splitlines())] = inside
    return "\n".join(lines) + "\n"
