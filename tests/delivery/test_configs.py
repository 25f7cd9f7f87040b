"""A recipe becomes a config of another trainer, and comes back with the same figures."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from running import FIXTURES, Command

import harness
from harness.errors import UsageError
from harness.pages import recipe as recipes
from harness.pages.foreign.figures import flat
from harness.pages.foreign.imported import import_file
from harness.pages.foreign.translate import Given
from harness.pages.recipe import Recipe

CONFIGS = FIXTURES / "configs"
NAMED = {"full-vpred-set.toml", "webtoon-set.toml", "st-backends.json"}
REAL = sorted(file.name for file in CONFIGS.iterdir() if file.name not in NAMED)
SHIPPED = ["naruto-256", "danbooru-1024", "naruto-dreambooth-prodigy", "animeboys-xl"]
OURS = {"name", "summary", "origin", "hardware", "schema_version", "judge"}
"""What a recipe says of itself and no trainer is told."""


def recipe_of(name: str) -> Recipe:
    if name in SHIPPED:
        return recipes.load(name)
    data = "/data/x" if name == "ot-preset.json" else None
    return import_file(CONFIGS / name, Given(pictures=240, data=data)).recipe


def figures(recipe: Recipe) -> dict[str, Any]:
    """Return every figure of a recipe under its dotted name, phases by their field."""
    dumped = recipe.model_dump(mode="json")
    [phase] = dumped["train"].pop("phases")
    leaves = flat(dumped) | {f"train.phases.{name}": value for name, value in phase.items()}
    if leaves.get("train.adapter.alpha") is None and "train.adapter.rank" in leaves:
        leaves["train.adapter.alpha"] = float(leaves["train.adapter.rank"])
    return {name: value for name, value in leaves.items() if name.split(".")[0] not in OURS}


@pytest.mark.parametrize("form", ["kohya", "diffusers"])
@pytest.mark.parametrize("name", [*REAL, *SHIPPED])
def test_what_comes_back_differs_only_where_the_config_says_so(
    form: str, name: str, tmp_path: Path
) -> None:
    recipe = recipe_of(name)
    written = harness.export_config(recipe, tmp_path, to=form)
    back = import_file(written.files[0], Given(pictures=240)).recipe
    before, after = figures(recipe), figures(back)
    lost = {each.field for each in written.losses}
    differing = {
        place
        for place in before.keys() | after.keys()
        if (before.get(place) or None) != (after.get(place) or None)
        and not any(place == field or place.startswith(f"{field}.") for field in lost)
    }
    assert {place: (before.get(place), after.get(place)) for place in differing} == {}


def test_a_loss_names_one_field_that_says_something(tmp_path: Path) -> None:
    recipe = recipe_of("naruto-dreambooth-prodigy")
    assert recipe.train is not None
    changed = recipe.train.optimizer.model_copy(update={"d_coef": 2.0})
    train = recipe.train.model_copy(update={"optimizer": changed})
    recipe = recipe.model_copy(update={"train": train})
    losses = harness.export_config(recipe, tmp_path, to="diffusers").losses
    told = {each.field: each.value for each in losses}
    assert told["train.optimizer.d_coef"] == 2.0
    assert "data.boosters" not in told


def test_kept_figures_are_most_of_them(tmp_path: Path) -> None:
    written = harness.export_config(recipe_of("noob-vpred.toml"), tmp_path)
    assert {each.field for each in written.losses} == {"data.source"}
    flags = tomllib.loads(written.files[0].read_text())
    assert flags["optimizer_type"] == "Prodigy"
    assert flags["network_alpha"] == 32
    assert flags["dataset_config"] == "noobai_vpred_style_v1-set.toml"
    pictures = tomllib.loads(written.files[1].read_text())
    assert pictures["datasets"][0]["subsets"][0]["image_dir"] == "/data/collection"


def test_each_phase_has_a_config_that_goes_on_from_the_last(tmp_path: Path) -> None:
    written = harness.export_config("naruto-1024", tmp_path)
    names = [file.name for file in written.files]
    assert names == [
        "naruto-1024-1.toml",
        "naruto-1024-1-set.toml",
        "naruto-1024-2.toml",
        "naruto-1024-2-set.toml",
    ]
    second = tomllib.loads(written.files[2].read_text())
    assert second["network_weights"] == "out/naruto-1024-1.safetensors"
    assert (second["max_train_steps"], second["lr_scheduler"]) == (465, "cosine")


def test_a_command_line_is_one_for_the_shell(tmp_path: Path) -> None:
    recipe = recipe_of("lion.sh")
    assert recipe.data is not None
    caption = recipe.data.caption.model_copy(update={"prefix": "it's $HOME `id`"})
    data = recipe.data.model_copy(update={"caption": caption})
    written = harness.export_config(
        recipe.model_copy(update={"data": data}), tmp_path, to="diffusers"
    )
    script = written.files[0].read_text().replace("accelerate launch", "printf '%s\\n'")
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert "--instance_prompt=it's $HOME `id`" in done.stdout.splitlines()


def test_a_recipe_that_trains_nothing_has_no_config(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="trains nothing"):
        harness.export_config("sdxl-base", tmp_path)
    with pytest.raises(UsageError, match="no form of a config"):
        harness.export_config("naruto-256", tmp_path, to="flux")


def test_the_command_names_files_and_losses(command: Command, tmp_path: Path) -> None:
    told = command("export", "danbooru-1024", tmp_path, "--config", "kohya", "--json").json
    assert len(told["files"]) == 2
    assert {"data.curate", "data.source"} <= {each["field"] for each in told["losses"]}
    ran = command("export", "danbooru-1024", tmp_path)
    assert (ran.code, "either --to or --config" in ran.err) == (2, True)
