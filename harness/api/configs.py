"""Configs of other trainers: into a recipe page, and back."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.api.boards import printed
from harness.errors import UsageError
from harness.files import write_text
from harness.pages import recipe as recipes
from harness.pages.foreign.figures import Fate
from harness.pages.foreign.imported import Imported, import_file, import_text
from harness.pages.foreign.translate import Given
from harness.pages.recipe import Recipe

if TYPE_CHECKING:
    from harness.delivery.configs.write import Written


@dataclass(frozen=True)
class ImportedConfig:
    """A recipe page made of another trainer's config, and the fate of each of its figures."""

    imported: Imported
    file: Path | None
    """Where the page was written, if anywhere."""

    @property
    def recipe(self) -> Recipe:
        return self.imported.recipe

    @property
    def page(self) -> str:
        return self.imported.page

    @property
    def fates(self) -> tuple[Fate, ...]:
        return self.imported.fates

    def __str__(self) -> str:
        from harness.report.configs import print_fates

        return printed(lambda console: print_fates(self.imported, console))


def import_config(
    config: str | Path,
    *,
    out: str | Path | None = None,
    name: str | None = None,
    base: str | None = None,
    data: str | Path | None = None,
    pictures: int | None = None,
) -> ImportedConfig:
    """Return the recipe page that a config of another trainer amounts to.

    kohya's TOML and JSON, ai-toolkit's YAML, OneTrainer's and SimpleTuner's JSON, and command
    lines of diffusers and sd-scripts are known by their content; `-` reads stdin. `base` and `data`
    stand in for what the config names. `pictures` says how many there are where epochs count and
    the pictures are elsewhere. `out` is the file of the page; one that is there is not replaced.

    >>> imported = harness.import_config("configs/locon.toml", pictures=240)
    >>> imported.recipe.train.adapter.rank, imported.recipe.train.steps
    (32, 6000)
    """
    file = None if out is None else Path(out)
    if file is not None:
        _require_free(file)
    chosen = file.stem if name is None and file is not None else name
    given = Given(chosen, base, None if data is None else str(data), pictures)
    if str(config) == "-":
        imported = import_text(sys.stdin.read(), "stdin", given)
    else:
        imported = import_file(Path(config), given)
    if file is not None:
        write_text(file, imported.page)
    return ImportedConfig(imported, file)


def export_config(recipe: str | Path | Recipe, out: str | Path, *, to: str = "kohya") -> Written:
    """Write a recipe as a config that another trainer reads, into the folder `out`.

    `to` is kohya (two TOML files of sd-scripts) or diffusers (a command line of its scripts). What
    it cannot say stands in its comments and in `losses`. Each phase has a config of its own.

    >>> written = harness.export_config("tiny", scratch / "configs", to="kohya")
    >>> [file.name for file in written.files][:2]  # of the first of its two phases
    ['tiny-1.toml', 'tiny-1-set.toml']
    """
    from harness.delivery.configs.write import write_config

    page = recipe if isinstance(recipe, Recipe) else recipes.load(recipe)
    return write_config(page, to, Path(out))


def _require_free(file: Path) -> None:
    if file.suffix != ".yaml":
        raise UsageError(f"{file} is no name of a page", hint="a page is a .yaml file")
    if file.exists():
        raise UsageError(f"{file} is there already", hint="name another file, or remove it")
