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
    name: Name
    summary: str = Field(default="", max_length=200)
    data: Data
    resolution: Count = 1024
    buckets: Buckets | None = None


def is_curation(fields: set[str]) -> bool:
    """Return whether a page with these fields curates only; a recipe says more."""
    return "data" in fields and not {"base", "train", "load"} & fields
