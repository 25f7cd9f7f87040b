"""What holds if a page or a person says nothing; for help texts too, so it loads no library."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.pages.recipe import Recipe

POCKET, NARUTO, ANIME = "pocket-v1", "naruto-v1", "anime-v1"
NARUTO_PICTURES = "lambdalabs/naruto-blip-captions"
"""The data set whose held-out pictures are the reference of naruto-v1."""
DEMO_REPORTS = Path(".harness/reports")
"""Where the demo writes its results: beside the store, not among yours."""
DEFAULT_BENCHMARK = POCKET
"""For commands that are given no recipe."""
MEGAPIXELS = 17.0
"""What a supplied image may have, if nothing else is said: a little more than 4096 squared."""
IN_WORDS = f"{POCKET} on a pocket base, {NARUTO} for naruto pictures or a bare base, else {ANIME}"
"""The rule of `default_benchmark`, for help texts."""


def default_benchmark(recipe: Recipe) -> str:
    """Return the benchmark that judges `recipe` if none is named."""
    learns_naruto = getattr(recipe.data and recipe.data.source, "id", None) == NARUTO_PICTURES
    is_bare = recipe.data is None and recipe.load is None
    return _chosen(recipe.base.model, learns_naruto or is_bare)


def default_for_adapter(base: str) -> str:
    """Return the benchmark that judges an adapter on `base` whose pictures are not known."""
    return _chosen(base, shows_naruto=False)


def _chosen(base: str, shows_naruto: bool) -> str:
    if base.startswith("pocket/"):
        return POCKET
    return NARUTO if shows_naruto else ANIME
