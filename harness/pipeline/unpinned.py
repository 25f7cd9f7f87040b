"""What a page names of the hub without a revision, and so may mean something else tomorrow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, Problem
from harness.extractors.hub import is_repository
from harness.interfaces import ExtractorSpec
from harness.pages.benchmark import Benchmark
from harness.pages.messages import Place, dotted
from harness.pages.recipe import Recipe
from harness.pages.yaml import Located, load_page, read_page


def unpinned(file: Path) -> list[Problem]:
    """Return a warning for each set, and once for each model, that may change under its name."""
    try:
        located = read_page(file)
        models: dict[str, Place] = {}
        for place, name in _models(file, set(located.data)):
            models.setdefault(name, place)
    except HarnessError:
        return []  # check says what is wrong with it
    sets = [_warned(located, place, "the set", "id") for place in _sets(located.data, ())]
    return [*sets, *(_warned(located, place, name) for name, place in models.items())]


def _warned(located: Located, place: Place, what: str, at: str = "") -> Problem:
    """Return the warning about a place that wants a revision; `at` is the field that names it."""
    kind = "set" if at else "model"
    line = located.line((*place[:-1], at) if at else place)
    message = f"is not given: {what} may change under its name"
    return Problem(located.file, line, dotted(place), message, f"name a commit of the {kind}")


def _sets(data: Any, place: Place) -> Iterator[Place]:
    """Yield where every set of the hub that names no revision would name it."""
    if isinstance(data, dict):
        named = data.get("use") == "hub" and isinstance(data.get("id"), str)
        if named and not data.get("revision") and not Path(data["id"]).is_dir():
            yield (*place, "revision")
    parts = data.items() if isinstance(data, dict) else enumerate(data)
    for name, part in parts:
        if isinstance(part, dict | list):
            yield from _sets(part, (*place, name))


def _models(file: Path, fields: set[str]) -> Iterator[tuple[Place, str]]:
    """Yield where a revision is wanted, and the model of the hub that has none."""
    if "metrics" in fields and {"suites", "reference"} & fields:
        yield from _judges(load_page(Benchmark, file))
    elif "base" in fields:
        yield from _bases(load_page(Recipe, file))


def _judges(page: Benchmark) -> Iterator[tuple[Place, str]]:
    sampler = page.sampler
    if sampler and sampler.vae and is_repository(sampler.vae) and not sampler.vae_revision:
        yield ("sampler", "vae_revision"), sampler.vae
    for number, metric in enumerate(page.metrics):
        extractor = metric.extractor()
        for name, revision in extractor.repositories():
            if not revision:
                yield ("metrics", number, "features", _field(extractor, name)), name


def _field(extractor: ExtractorSpec, name: str) -> str:
    """Return which of an extractor's fields would fix the repository of that name."""
    fields = type(extractor).model_fields
    own = next((f"{field}_revision" for field in fields if getattr(extractor, field) == name), "")
    return own if own in fields else "revision"


def _bases(page: Recipe) -> Iterator[tuple[Place, str]]:
    base, load = page.base, page.load
    named: list[tuple[Place, str | None, str | None]] = [
        (("base", "revision"), base.model, base.revision),
        (("base", "vae_revision"), base.vae, base.vae_revision),
    ]
    if load is not None:
        named.append((("load", "revision"), load.model, load.revision))
    for place, name, revision in named:
        if name and is_repository(name) and not revision:
            yield place, name
