"""What the pictures show: the reports that ship, and two small trainings beside them.

A sweep over checkpoints and a blame are not among the shipped results. They are made once, into
`.harness/pictures`, which takes some minutes of a CPU; the next pictures take them from there.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from PIL import ImageFilter

import harness
from harness.pocket.world import row

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SHIPPED = ROOT / "reports"
PICTURES, BLURRED = 80, (7, 21, 34, 48, 60, 73)
"""The ninjas behind the blame, and those that were blurred."""


@dataclass(frozen=True)
class World:
    """A folder in which the pictures find everything."""

    root: Path

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def store(self) -> Path:
        return self.root / "store"

    @property
    def trend(self) -> Path:
        """The page that says where to stop."""
        return self.root / "where-to-stop.html"

    @property
    def card(self) -> Path:
        """The page of a result, with its benchmark's sanity card."""
        return self.root / "result.html"

    @property
    def workspace(self) -> harness.Workspace:
        return harness.Workspace(self.store, self.root / "made", "cpu", quiet=True)


def prepared(root: Path) -> World:
    """Return the folder of the pictures, with all that they show."""
    world = World(root.resolve())
    world.root.mkdir(parents=True, exist_ok=True)
    if not world.trend.is_file():
        write_trend(world)
    if not (world.root / "made" / "blame").is_dir():
        write_blame(world)
    shutil.rmtree(world.reports, ignore_errors=True)
    shutil.copytree(SHIPPED, world.reports)
    shutil.copytree(world.root / "made" / "blame", world.reports / "blame")
    result = harness.load_result(SHIPPED / "pocket-v1" / "pocket-ninja.json")
    shown = harness.Workspace(world.store, world.reports)
    world.card.write_text(result.page(shown), encoding="utf-8")
    return world


def write_trend(world: World) -> None:
    """Judge every checkpoint of a small training."""
    swept = harness.sweep(
        HERE / "forty.yaml",
        over="checkpoint",
        benchmark=HERE / "few-prompts.yaml",
        workspace=world.workspace,
    )
    world.trend.write_text(swept.page(), encoding="utf-8")


def write_blame(world: World) -> None:
    """Ask which of 80 pictures hurt, some of which were blurred on purpose."""
    folder = world.root / "ninjas"
    folder.mkdir(exist_ok=True)
    for number in range(PICTURES):
        one = row("ninja", number)
        picture = one.image()
        if number in BLURRED:
            picture = picture.filter(ImageFilter.GaussianBlur(2.0))
        picture.save(folder / f"{number:03d}.png")
        (folder / f"{number:03d}.txt").write_text(one.caption, encoding="utf-8")
    page = (HERE / "spoiled.yaml").read_text(encoding="utf-8")
    recipe = world.root / "spoiled.yaml"
    recipe.write_text(page.replace("path: ninjas", f"path: {folder}"), encoding="utf-8")
    harness.blame(recipe, workspace=world.workspace)
