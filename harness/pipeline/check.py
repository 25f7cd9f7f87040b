"""Check pages: whether they are valid, and whether the files and models that they name exist."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.diffusion.anatomy import unet_layers
from harness.diffusion.shapes import other_pipeline, require_sdxl, unet_of
from harness.errors import HarnessError, PageError, Problem, UsageError
from harness.pages import benchmark as benchmarks
from harness.pages import policy
from harness.pages.benchmark import PromptSuite
from harness.pages.curation import Curation, is_curation
from harness.pages.folders import FOLDERS, available
from harness.pages.messages import Place, dotted
from harness.pages.recipe import Recipe
from harness.pages.train import TARGETS
from harness.pages.yaml import load_page, read_page
from harness.pipeline.toy_base import toy_bases
from harness.pipeline.unpinned import unpinned
from harness.pocket import pinned


def check(files: Sequence[Path]) -> tuple[int, list[Problem]]:
    """Return how many pages were read and every problem; without files, of all pages."""
    chosen = list(files) or [file for kind in FOLDERS for file in available(kind).values()]
    problems: list[Problem] = []
    for file in chosen:
        try:
            _check_one(file)
        except PageError as error:
            problems += error.problems
        except HarnessError as error:
            problems.append(Problem(str(file), 1, "", error.what, error.hint))
    return len(chosen), problems


def cautions(files: Sequence[Path]) -> list[Problem]:
    """Return a warning for each set and each model of the hub that has no fixed revision, and for
    each toy that is to learn real pictures."""
    chosen = list(files) or [file for kind in FOLDERS for file in available(kind).values()]
    return [problem for file in chosen for problem in (*toy_bases(file), *unpinned(file))]


_JUDGES = {"suites", "seeds", "sampler", "reference"}
"""Fields of a benchmark that a policy has not, which names metrics too."""


def _check_one(file: Path) -> None:
    fields = set(read_page(file).data)
    if "prompts" in fields:
        load_page(PromptSuite, file)
    elif {"claim", "images"} & fields or ("metrics" in fields and not _JUDGES & fields):
        policy.load(file)
    elif {"metrics", *_JUDGES} & fields:
        benchmarks.load(str(file) if file.suffix in (".yaml", ".yml") else file.stem)
    elif is_curation(fields):
        load_page(Curation, file)
    else:
        _check_recipe(file)


def _check_recipe(file: Path) -> None:
    """Check a recipe, and whether the models, files and layers that it names exist."""
    recipe, located = load_page(Recipe, file), read_page(file)
    problems = []
    for field, name in (("model", recipe.base.model), ("vae", recipe.base.vae)):
        try:
            pinned(name)
        except UsageError as error:
            line = located.line(("base", field))
            problems.append(Problem(located.file, line, f"base.{field}", error.what, error.hint))
    if recipe.train is not None:
        try:
            require_sdxl(recipe.base.model)
        except UsageError as error:
            line = located.line(("base", "model"))
            problems.append(Problem(located.file, line, "base.model", error.what, error.hint))
    for place, adapter in _adapters(recipe):
        if not Path(adapter).is_file():
            message = f"names a file that does not exist: {adapter}"
            line, field = located.line(place), dotted(place)
            problems.append(Problem(located.file, line, field, message, "correct the path"))
    for place, message, hint in _layers_missed(recipe):
        problems.append(Problem(located.file, located.line(place), ".".join(place), message, hint))
    if recipe.name != file.stem:
        line = located.line(("name",))
        message = f"is {recipe.name!r} in a file called {file.stem!r}"
        problems.append(Problem(located.file, line, "name", message, "give both one name"))
    if problems:
        raise PageError(problems)


def _adapters(recipe: Recipe) -> Iterator[tuple[Place, str]]:
    """Yield each adapter file that a recipe loads, with its place on the page."""
    if recipe.load and recipe.load.adapter:
        yield ("load", "adapter"), recipe.load.adapter
    for number, each in enumerate(recipe.load.adapters if recipe.load else ()):
        yield ("load", "adapters", number, "file"), each.file


def _layers_missed(recipe: Recipe) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Yield each pattern of the adapter that matches no layer of its base."""
    adapter = recipe.train.adapter if recipe.train else None
    if (
        adapter is None
        or other_pipeline(recipe.base.model)
        or not (adapter.ranks or adapter.targets not in TARGETS)
    ):
        return
    names = [
        each.name
        for each in unet_layers(unet_of(recipe.base.model), 8, 8)
        if each.kind in ("linear", "conv")
    ]
    patterns = {("train", "adapter", "ranks"): list(adapter.ranks)}
    if adapter.targets not in TARGETS:
        patterns["train", "adapter", "targets"] = [adapter.targets]
    for place, asked in patterns.items():
        for pattern in asked:
            if not any(re.search(pattern, name) for name in names):
                example = names[len(names) // 2]
                yield place, f"{pattern!r} matches no layer of the UNet", f"such as {example}"
