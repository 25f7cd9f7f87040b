"""`harness import`: a page on stdout or in a file, and a table of what became of each figure."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import FIXTURES, Command

import harness
from harness.pages import benchmark as benchmarks
from harness.pages.foreign.imported import import_file
from harness.pages.foreign.translate import Given
from harness.pipeline.plan import plan
from harness.pipeline.rehearsal import rehearsal

CONFIGS = FIXTURES / "configs"
NAMED = {"full-vpred-set.toml", "webtoon-set.toml", "st-backends.json"}
REAL = sorted(file.name for file in CONFIGS.iterdir() if file.name not in NAMED)


@pytest.mark.parametrize("name", REAL)
def test_the_page_of_a_real_config_is_valid_and_can_be_rehearsed(
    name: str, command: Command, tmp_path: Path
) -> None:
    page = tmp_path / "mine.yaml"
    words = ("import", CONFIGS / name, "--pictures", 240, "--out", page)
    data = ("--data", "/data/x") if name == "ot-preset.json" else ()
    ran = command(*words, *data)
    assert ran.code == 0, ran.err
    assert "no counterpart" in ran.out
    assert command("check", page).code == 0
    small = rehearsal(harness.load_recipe(page), benchmarks.load("pocket-v1"))
    assert small.recipe.train is not None
    assert plan(small.recipe, small.judgement).steps


def test_a_page_goes_to_stdout_and_the_table_to_stderr(command: Command) -> None:
    ran = command("import", CONFIGS / "st-lcm.json")
    assert ran.out.startswith("# Imported from st-lcm.json, a config of SimpleTuner")
    assert "schema_version: 1" in ran.out
    assert "distillation_method" in ran.err


def test_a_table_tells_each_figures_fate_as_json(command: Command) -> None:
    told = command("import", CONFIGS / "st-lcm.json", "--json").json
    figures = {each["figure"]: each for each in told["figures"]}
    assert figures["lora_rank"] == {
        "figure": "lora_rank",
        "given": 64,
        "fate": "kept",
        "field": "train.adapter.rank",
        "value": 64,
        "note": None,
    }
    assert figures["optimizer"]["fate"] == "changed"
    assert figures["distillation_method"]["fate"] == "no-counterpart"
    assert told["trainer"] == "SimpleTuner"


def test_a_page_that_is_there_is_not_replaced(command: Command, tmp_path: Path) -> None:
    page = tmp_path / "mine.yaml"
    page.write_text("mine")
    ran = command("import", CONFIGS / "st-lcm.json", "--out", page)
    assert (ran.code, page.read_text()) == (2, "mine")
    assert "is there already" in ran.err


@pytest.mark.slow
def test_an_imported_recipe_trains_on_the_pocket_world(tmp_path: Path) -> None:
    """A LoRA with convolutions, of Adafactor, in buckets: what no page of ours asks for at once."""
    recipe = import_file(CONFIGS / "locon.toml", Given(pictures=240)).recipe
    small = rehearsal(recipe, benchmarks.load("pocket-v1")).recipe
    folder = harness.train(small, store=tmp_path / "store", reports=tmp_path / "reports")
    assert list(folder.rglob("*.safetensors"))


def test_a_figure_that_json_cannot_hold_is_told_by_its_words(
    command: Command, tmp_path: Path
) -> None:
    config = tmp_path / "odd.toml"
    text = (CONFIGS / "noob-vpred.toml").read_text()
    config.write_text(f"huber_scale = nan\nsaid_on = 2024-01-01\nodd = [inf]\n{text}")
    told = command("import", config, "--pictures", 9, "--json").json
    given = {each["figure"]: each["given"] for each in told["figures"]}
    assert given["huber_scale"] == "NaN"
    assert given["said_on"] == "2024-01-01"
    assert given["odd"] == ["Infinity"]
