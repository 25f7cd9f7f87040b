"""A config of another trainer, as a recipe page with the fate of every figure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

from pydantic import ValidationError

from harness.errors import UsageError
from harness.pages.foreign.figures import Draft, Fate
from harness.pages.foreign.habits import Habits
from harness.pages.foreign.page import page_text
from harness.pages.foreign.read import draft_of, text_of
from harness.pages.foreign.translate import Given, translate
from harness.pages.messages import complaints, dotted
from harness.pages.recipe import Recipe

_NAMES = ("output_name", "config.name", "name", "save_filename_prefix", "hub_model_id")
_FILES = ("output_model_destination", "output_dir", "training_folder")


@dataclass(frozen=True)
class Imported:
    """A recipe page, and what became of each figure of the config that it was made from."""

    trainer: str
    recipe: Recipe
    page: str
    """The page as YAML, with its comments."""
    fates: tuple[Fate, ...]


def import_file(file: Path, given: Given) -> Imported:
    """Return the recipe that a config in a file amounts to."""
    try:
        return import_text(text_of(file), file.name, given, file)
    except UsageError as error:
        where = error.where or str(file)
        raise UsageError(error.what, where=where, hint=error.hint) from None


def import_text(text: str, called: str, given: Given, file: Path | None = None) -> Imported:
    """Return the recipe that the text of a config amounts to; `called` is what to name it by."""
    folder = file.parent if file is not None else Path()
    draft, habits = draft_of(text, folder, file)
    translate(draft, habits, given)
    name = _name(draft, given, called)
    page = _page(draft, habits, name, called)
    recipe = _checked(page)
    return Imported(
        habits.trainer,
        recipe,
        page_text(page, draft.fates, _head(draft, habits, called)),
        tuple(draft.fates),
    )


def _page(draft: Draft, habits: Habits, name: str, called: str) -> dict[str, Any]:
    steps = draft.page["train"]["phases"][0]["steps"]
    what = "full fine-tune" if draft.full else f"LoRA of rank {draft.get('train.adapter.rank')}"
    summary = f"Imported from {habits.trainer}: {what}, {steps:,} steps."
    origin = f"{called[:80]}, a config of {habits.trainer}"
    known: dict[str, Any] = {
        key: draft.page[key] for key in ("base", "data", "train") if key in draft.page
    }
    return {"schema_version": 1, "name": name, "summary": summary, "origin": origin, **known}


def _head(draft: Draft, habits: Habits, called: str) -> Sequence[str]:
    kinds = [fate.kind for fate in draft.fates]
    off = sum(fate.is_off for fate in draft.fates)
    given = sum(fate.given is not None for fate in draft.fates)
    kept, changed = kinds.count("kept"), kinds.count("changed")
    left = kinds.count("no-counterpart") - off
    return (
        f"Imported from {called}, a config of {habits.trainer}, by harness import.",
        f"Of its {given} figures {kept} are kept, {changed} are kept with another meaning or value,"
        f" {left} have no counterpart, and {off} are off. Comments say which.",
    )


def _checked(page: dict[str, Any]) -> Recipe:
    """Return the recipe of a page; what the page may not say is the importer's own fault."""
    try:
        return Recipe.model_validate_json(json.dumps(page))
    except ValidationError as error:
        wrong = [f"{dotted(place)} {what}" for place, what, _ in complaints(Recipe, page, error)]
        raise UsageError(
            f"the config asks for what a recipe cannot say: {'; '.join(wrong)}",
            hint="change the figure in the config",
        ) from None


def _name(draft: Draft, given: Given, called: str) -> str:
    """Return the page's name, by the first figure that holds one, and say so at the figure."""
    if given.name is not None:
        for key in _NAMES:
            if key in draft.figures:
                draft.rename(key, given.name, "the page is named by its file")
        return _slug(given.name)
    for key in (*_NAMES, *_FILES):
        value = draft.figures.get(key)
        if isinstance(value, str) and re.search(r"[A-Za-z0-9]", value):
            own = re.sub(r"\.safetensors$", "", PureWindowsPath(value).name)
            note = "" if _slug(own) == value else "as the name of a page may be written"
            draft.rename(key, _slug(own), note)
            return _slug(own)
    return _slug(Path(called).stem)


def _slug(name: str) -> str:
    slug = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._")[:64]
    return slug or "imported"
