"""Every recipe page goes through every room on the pocket world."""

from __future__ import annotations

from pathlib import Path

import pytest

import harness
from harness.diffusion.adapter_writer import FILE
from harness.pages import recipe
from harness.pages.folders import available
from harness.pipeline.store.local import read_artifact

RECIPES = sorted(available("recipe"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rehearsals")


def test_there_are_recipes_to_rehearse() -> None:
    assert len(RECIPES) >= 14


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_rehearses_end_to_end_and_says_what_it_replaced(name: str, store: Path) -> None:
    rehearsed = harness.rehearse(name, store=store, reports=store, device="cpu", quiet=True)
    page, result = recipe.load(name), rehearsed.run.result
    assert result.images.scored == result.images.expected == 18
    silent = {score.metric for score in result.scores if score.value is None}
    is_base = page.train is None and page.load is None
    assert silent == ({"base-shift", "leakage"} if is_base else set())
    told = "\n".join(rehearsed.replaced)
    if page.base.model != "pocket/sdxl":
        assert f"base {page.base.model}" in told
    if page.train is None:
        assert "train" not in result.keys
        return
    assert f"{page.train.steps:,} steps →" in told
    trained = read_artifact(store / "train" / result.keys["train"][:2] / result.keys["train"])
    assert (FILE in trained.manifest["files"]) == (page.train.method == "lora")
    assert len((trained.path / "log.jsonl").read_text().splitlines()) >= 12
