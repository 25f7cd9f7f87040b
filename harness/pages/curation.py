"""A page that curates a set and trains nothing."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from harness.interfaces import Page
from harness.pages.data import Count, Data
from harness.pages.recipe import Name
from harness.pages.train import Buckets


class Curation(Page):
    """A page that curates and trains nothing."""

    schema_version: Literal[1] = 1
    """The version of this form of page; always 1."""
    name: Name
    """The name of the page, the same as its file's."""
    summary: str = Field(default="", max_length=200)
    """One sentence for lists: what the page is for."""
    data: Data
    """The pictures, and the rules that choose and caption them."""
    resolution: Count = 1024
    """The side in pixels of the square that training will use; the report shows how pictures fit
    it."""
    buckets: Buckets | None = None
    """The shapes that training will use in place of one square; none by default."""


def is_curation(fields: set[str]) -> bool:
    """Return whether a page with these fields curates only; a recipe says more."""
    return "data" in fields and not {"base", "train", "load"} & fields
