"""What blame asks, of which checkpoints, and what moves its keys."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from schooling import recipe

from harness.errors import UsageError
from harness.pages import benchmark as benchmarks
from harness.pages import recipe as recipes
from harness.pages.benchmark import Judgement
from harness.pages.recipe import Recipe
from harness.pages.stages import BlameSpec, DataSpec, GradientsSpec, SampleSpec, SuppliedSpec
from harness.pipeline.blame_steps import Question, marks_of, plan_blame
from harness.pipeline.plan import RunPlan
from harness.training.schedules import rates_up_to


@pytest.fixture(scope="module")
def judgement() -> Judgement:
    return benchmarks.load("pocket-v1")


def planned(judgement: Judgement, page: Recipe | None = None, **asked: Any) -> RunPlan:
    return plan_blame(page or recipe(), judgement, Question(**asked))


def test_the_checkpoints_are_spread_evenly_and_end_with_the_end() -> None:
    train = recipe(phases=[{"steps": 100, "rate": 1e-3}], checkpoint_every=10).train
    assert train is not None
    assert marks_of(train, 1) == (100,)
    assert marks_of(train, 4) == (20, 50, 70, 100)
    assert marks_of(train, 99) == tuple(range(10, 101, 10))
    assert marks_of(train.model_copy(update={"checkpoint_every": None}), 4) == (100,)
    assert marks_of(train.model_copy(update={"checkpoint_every": 30}), 2) == (60, 100)


def test_a_checkpoint_weighs_the_rates_of_the_steps_up_to_it_by_set() -> None:
    phases = [{"steps": 4, "rate": 1.0}, {"steps": 2, "rate": 0.5}, {"steps": 2, "rate": 0.25}]
    train = recipe(phases=phases).train
    assert train is not None
    assert rates_up_to(train, (0, 1, 0), (3, 5, 8)) == [[3.0, 1.0, 0.5], [0.0, 0.5, 0.5]]
    assert rates_up_to(train, (0, 0, 0), (8,)) == [[5.5]]


def test_held_out_rows_are_the_recipes_own_else_those_of_the_reference(
    judgement: Judgement,
) -> None:
    own = planned(judgement, recipe({"part": "train"}))
    assert own.step("gradients-asked").inputs["latents"] == own.step("latents-held").key
    rows = own.step("data-held").spec
    theirs = planned(judgement).step("data-asked").spec
    assert isinstance(rows, DataSpec)
    assert isinstance(theirs, DataSpec)
    assert judgement.benchmark.reference is not None
    assert rows.part == "held-out"
    assert theirs.source == judgement.benchmark.reference.source


def test_a_benchmark_without_pictures_asks_for_a_question(judgement: Judgement) -> None:
    bare = replace(judgement, benchmark=judgement.benchmark.model_copy(update={"reference": None}))
    with pytest.raises(UsageError, match="nor pocket-v1 holds pictures out"):
        planned(bare)


def test_a_prompt_is_drawn_by_the_trained_recipe(judgement: Judgement) -> None:
    plan = planned(judgement, on="a ninja in the rain")
    drawing = plan.step("asked").spec
    assert isinstance(drawing, SampleSpec)
    assert [prompt.text for prompt in drawing.prompts] == ["a ninja in the rain"]
    assert plan.step("asked").inputs == {"train": plan.step("train").key}


def test_an_image_is_asked_by_its_bytes_and_its_caption(
    judgement: Judgement, tmp_path: Path
) -> None:
    file = tmp_path / "odd.png"
    Image.new("RGB", (64, 64), "red").save(file)
    plain = planned(judgement, on=str(file))
    spec = plain.step("asked").spec
    assert isinstance(spec, SuppliedSpec)
    file.with_suffix(".txt").write_text("a red sheet\n")
    worded = planned(judgement, on=str(file))
    assert worded.step("asked").spec.entries[0].text == "a red sheet"  # type: ignore[attr-defined]
    assert worded.step("asked").key != plain.step("asked").key


def test_another_question_leaves_the_gradients_of_training_alone(judgement: Judgement) -> None:
    held, prompt, more = (
        planned(judgement, **asked) for asked in ({}, {"on": "a ninja"}, {"noises": 2})
    )
    assert held.step("gradients-0").key == prompt.step("gradients-0").key
    assert held.step("gradients-asked").key != prompt.step("gradients-asked").key
    assert held.step("blame").key != prompt.step("blame").key
    assert held.step("gradients-0").key != more.step("gradients-0").key
    assert held.step("train").key == more.step("train").key


def test_the_question_is_asked_under_more_noises_than_each_training_picture(
    judgement: Judgement, tmp_path: Path
) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "odd.png")
    asked = [
        planned(judgement, on=on).step("gradients-asked").spec.noises  # type: ignore[attr-defined]
        for on in ("held-out", "a ninja", str(tmp_path / "odd.png"))
    ]
    assert asked == [4, 16, 64]
    twice = planned(judgement, noises=2)
    assert twice.step("gradients-0").spec.noises == 2  # type: ignore[attr-defined]
    assert twice.step("gradients-asked").spec.noises == 8  # type: ignore[attr-defined]


def test_every_set_that_a_phase_trains_on_is_asked(judgement: Judgement) -> None:
    other = {"use": "pocket", "set": "faces", "count": 8}
    phases = [{"steps": 2, "rate": 1e-3}, {"steps": 2, "rate": 1e-3, "source": other}]
    plan = planned(judgement, recipe(phases=phases))
    verdict = plan.step("blame")
    assert {"gradients-0", "gradients-1", "gradients-asked"} == set(verdict.inputs)
    assert isinstance(verdict.spec, BlameSpec)
    assert len(verdict.spec.rates) == 2
    taken = plan.step("gradients-1")
    assert isinstance(taken.spec, GradientsSpec)
    assert taken.inputs["latents"] == plan.step("latents-2").key


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (recipes.load("pocket-base"), "trains nothing"),
        (recipe(method="full", adapter=None), "trains whole models"),
        (
            recipe(
                tokens=[{"name": "<ink>"}],
                phases=[{"steps": 2, "rate": 1e-3, "token_rate": 1e-3}],
            ),
            "learns new tokens",
        ),
    ],
)
def test_a_recipe_that_cannot_be_blamed_says_why(
    page: Recipe, words: str, judgement: Judgement
) -> None:
    with pytest.raises(UsageError, match=words):
        planned(judgement, page)
