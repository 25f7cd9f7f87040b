"""What the pocket base cannot do: learn pictures that are no drawn faces."""

from __future__ import annotations

from pathlib import Path

from harness.data.sources.provenance import sources_in
from harness.errors import HarnessError, Problem
from harness.pages.recipe import Recipe
from harness.pages.yaml import load_page, read_page
from harness.pocket import is_pocket

HINT = "name a real base to learn them; `harness rehearse` tries any recipe on this one"


def toy_base(recipe: Recipe) -> str | None:
    """Return what to expect of a recipe that brings pictures of its own to the pocket base."""
    if not is_pocket(recipe.base.model) or all(each.use == "pocket" for each in sources_in(recipe)):
        return None
    return (
        f"is a toy that knows only drawn faces: on {recipe.base.model}, adapters learn other "
        "pictures as smears"
    )


def toy_bases(file: Path) -> list[Problem]:
    """Return a warning about the base of a recipe's page, if it is too small for its pictures."""
    try:
        located = read_page(file)
        is_recipe = "base" in located.data and not {"metrics", "suites"} & set(located.data)
        said = toy_base(load_page(Recipe, file)) if is_recipe else None
    except HarnessError:
        return []  # check says what is wrong with it
    place = ("base", "model")
    line = located.line(place)
    return [Problem(located.file, line, "base.model", said, HINT)] if said else []
