"""A recipe that brings its own pictures to the pocket base is told what to expect."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from running import ROOT, Command

from harness.pages import recipe
from harness.pages.recipe import Base, Recipe
from harness.pipeline.toy_base import toy_base

SDXL = "stabilityai/stable-diffusion-xl-base-1.0"


@pytest.fixture(scope="module")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures enough for one batch."""
    folder = tmp_path_factory.mktemp("drawings")
    for number in range(8):
        Image.new("RGB", (64, 64), (number, 9, 9)).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text("a drawing")
    return folder


def with_folder(base: str, path: Path) -> Recipe:
    page = recipe.load("pocket-ninja").model_dump(mode="json", exclude_unset=True)
    page["data"]["source"] = {"use": "folder", "path": str(path)}
    page["base"] = {"model": base}
    return Recipe.model_validate_json(json.dumps(page))


def test_only_other_pictures_on_a_pocket_base_are_warned_of(drawings: Path) -> None:
    assert "knows only drawn faces" in str(toy_base(with_folder("pocket/sdxl", drawings)))
    assert toy_base(with_folder(SDXL, drawings)) is None
    files = sorted((ROOT / "recipes").glob("*.yaml"))
    shipped = {file.stem: recipe.load(str(file)) for file in files}
    assert len(shipped) > 10
    assert [name for name, each in shipped.items() if toy_base(each)] == []
    bare = shipped["sdxl-base"].model_copy(update={"base": Base(model="pocket/sdxl")})
    assert toy_base(bare) is None, "it brings no pictures"


@pytest.mark.parametrize("base", ["pocket/sdxl", SDXL])
def test_check_and_plan_say_it(base: str, drawings: Path, tmp_path: Path, command: Command) -> None:
    text = (ROOT / "recipes/pocket-ninja.yaml").read_text(encoding="utf-8")
    assert "{use: pocket, set: ninja, count: 1221}" in text
    own = f"{{use: folder, path: {drawings}}}"
    text = text.replace("{use: pocket, set: ninja, count: 1221}", own)
    text = text.replace("model: pocket/sdxl", f"model: {base}").replace("pocket-ninja", "mine")
    page = tmp_path / "mine.yaml"
    page.write_text(text, encoding="utf-8")
    checked = command("check", page, "--json").json
    toys = [each for each in checked["warnings"] if "drawn faces" in each["message"]]
    assert checked["ok"]
    assert len(toys) == (base == "pocket/sdxl")
    if toys:
        (toy,) = toys
        assert text.splitlines()[toy["line"] - 1].strip().startswith(("base", "model"))
    planned = command("plan", page, "--store", tmp_path / "store", "--json", "--anyway").json
    assert len(planned["cautions"]) == len(toys)
    shown = command("plan", page, "--store", tmp_path / "store", "--anyway").out
    assert ("adapters learn other pictures as smears" in shown) == bool(toys)
