"""Every recipe page goes through every room on the pocket world."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.api.demo import DEMO
from harness.diffusion.adapter_writer import FILE
from harness.pages import benchmark as benchmarks
from harness.pages import recipe as recipes
from harness.pages.benchmark import Judgement
from harness.pages.folders import available
from harness.pages.validation import Validation
from harness.pipeline.plan import plan
from harness.pipeline.rehearsal import rehearsal
from harness.pipeline.run import execute
from harness.pipeline.store.local import read_artifact
from harness.pipeline.workspace import Workspace

RECIPES = sorted(set(available("recipe")) - set(DEMO[2:]))
"""All but the variants of `pocket-ninja`, which `tests/test_demo.py` runs as they are."""
BY_EVERY_METRIC = ("naruto-dreambooth-prodigy", "pocket-base")
"""A page that trains everything, and one that trains nothing; the others are judged by two."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rehearsals")


def judgement_for(name: str) -> Judgement:
    judgement = benchmarks.load("pocket-v1")
    if name in BY_EVERY_METRIC:
        return judgement
    few = tuple(each for each in judgement.metrics if each.column in ("kid", "clip-score"))
    changes = {"metrics": few, "originals": None, "leakage": None, "extraction": None}
    return Judgement(judgement.benchmark.model_copy(update=changes), judgement.suites)


def test_there_are_recipes_to_rehearse() -> None:
    assert len(RECIPES) >= 11
    assert "pocket-ninja" in RECIPES
    assert set(BY_EVERY_METRIC) < set(RECIPES)


def test_held_out_pictures_are_rehearsed_with_rows_of_the_pocket_world() -> None:
    page = recipes.load("naruto-1024")
    assert page.train is not None
    held = Validation.model_validate({"source": {"use": "hub", "id": "ink/pages"}}, strict=False)
    train = page.train.model_copy(update={"validation": held, "validate_every": 100})
    rehearsed = rehearsal(page.model_copy(update={"train": train}), judgement_for("naruto-1024"))
    assert rehearsed.recipe.train is not None
    assert rehearsed.recipe.train.validation is not None
    assert rehearsed.recipe.train.validation.source is not None
    assert rehearsed.recipe.train.validation.source.use == "pocket"
    assert (rehearsed.recipe.train.validate_every or 99) <= rehearsed.recipe.train.steps
    assert "held-out pictures → other rows of the pocket world" in rehearsed.replaced


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_rehearses_end_to_end_and_says_what_it_replaced(name: str, store: Path) -> None:
    page = recipes.load(name)
    rehearsed = rehearsal(page, judgement_for(name))
    settings = Workspace(store, store, device="cpu", quiet=True).settings()
    result = execute(plan(rehearsed.recipe, rehearsed.judgement), settings).result
    assert result.images.scored == result.images.expected == 18
    metrics = len(benchmarks.load("pocket-v1").metrics)
    assert len(result.scores) == (metrics if name in BY_EVERY_METRIC else 2)
    without = {score.metric for score in result.scores if score.value is None}
    without -= {"style-probe"}  # so few pictures cannot show that the style is told apart
    shift = {"base-shift", "leakage"} if name == "pocket-base" else set()
    assert without == shift, "the bare base is no way from itself"
    replaced = "\n".join(rehearsed.replaced)
    if page.base.model != "pocket/sdxl":
        assert f"base {page.base.model}" in replaced
    if page.train is None:
        assert "train" not in result.keys
        return
    assert f"{page.train.steps:,} steps →" in replaced
    trained = read_artifact(store / "train" / result.keys["train"][:2] / result.keys["train"])
    assert (FILE in trained.manifest["files"]) == (page.train.method == "lora")
    assert len((trained.path / "log.jsonl").read_text().splitlines()) >= 12
