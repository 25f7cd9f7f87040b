"""When a plan has a loss probe, and what of it is in which key."""

from __future__ import annotations

from typing import Any

import pytest
from schooling import recipe

from harness.pages import benchmark as benchmarks
from harness.pages import recipe as recipes
from harness.pages.recipe import Recipe
from harness.pages.stages import DataSpec, ProbeSpec
from harness.pipeline.plan import RunPlan, plan

HELD: dict[str, Any] = {"source": {"use": "pocket", "set": "ninja", "first": 50000, "count": 20}}
POCKET = ("pocket-ninja", "pocket-ninja-short", "pocket-ninja-overfit", "pocket-ninja-broken")


def planned(page: Recipe) -> RunPlan:
    return plan(page, benchmarks.load("pocket-v1"))


def test_a_recipe_that_holds_nothing_out_has_no_probe() -> None:
    assert planned(recipe()).probe is None


def test_other_rows_change_no_key_but_the_probes() -> None:
    plain = planned(recipe()).keys()
    for more in ({}, {"validate_every": 2}):
        probed = planned(recipe(validation=HELD, **more)).keys()
        assert {name: probed[name] for name in plain} == plain
        added = [name for name in probed if name not in plain]
        assert added == ["data-held", "texts-held", "latents-held", "probe"]


@pytest.mark.parametrize("name", POCKET)
def test_the_pocket_recipes_train_as_they_did_and_are_probed(name: str) -> None:
    page = recipes.load(name)
    assert page.train is not None
    without = page.model_copy(update={"train": page.train.model_copy(update={"validation": None})})
    assert planned(without).step("train").key == planned(page).step("train").key
    assert planned(page).probe is not None


def test_a_share_is_held_out_of_every_set_and_changes_the_training() -> None:
    page = recipe(validation={"share": 0.25})
    held, trained = (planned(page).step(name).spec for name in ("data-held", "data"))
    assert isinstance(held, DataSpec)
    assert isinstance(trained, DataSpec)
    assert held.validation is not None
    assert trained.validation is not None
    assert (held.validation.side, trained.validation.side) == ("held-out", "trained")
    assert planned(page).step("train").key != planned(recipe()).step("train").key


def test_a_part_that_holds_rows_out_is_probed_on_them() -> None:
    whole = planned(recipe({"part": "train"}))
    held = whole.step("data-held").spec
    assert isinstance(held, DataSpec)
    assert held.part == "held-out"
    assert whole.probe is not None


def test_many_held_out_rows_come_from_all_over_their_set() -> None:
    many = {"source": {"use": "pocket", "set": "ninja", "count": 5000}, "part": "train"}
    held = planned(recipe(many)).step("data-held").spec
    assert isinstance(held, DataSpec)
    assert held.curate.limit == 32
    assert held.curate.subset is not None
    assert 0.045 < held.curate.subset.share < 0.055


def test_the_probe_asks_every_checkpoint_and_the_end() -> None:
    page = recipe(validation=HELD, phases=[{"steps": 6, "rate": 1e-3}], checkpoint_every=2)
    spec = planned(page).step("probe").spec
    assert isinstance(spec, ProbeSpec)
    assert (spec.checkpoints, spec.steps) == ((2, 4), 6)


def test_a_training_that_is_watched_waits_for_the_held_out_pictures() -> None:
    plain = planned(recipe(validation=HELD)).step("train")
    watched = planned(recipe(validation=HELD, validate_every=1)).step("train")
    assert plain.beside == {}
    assert sorted(watched.beside) == ["latents-held", "texts-held"]
    assert watched.key == plain.key
    assert {*watched.reads} > {*watched.inputs}


def test_a_set_of_several_phases_is_probed_once() -> None:
    phases = [
        {"steps": 2, "rate": 1e-3},
        {"steps": 2, "rate": 1e-3, "source": {"use": "pocket", "set": "faces", "count": 12}},
    ]
    whole = planned(recipe(validation=HELD, phases=phases))
    spec = whole.step("probe").spec
    assert isinstance(spec, ProbeSpec)
    assert spec.sets == 2
    inputs = whole.step("probe").inputs
    assert {"latents-0", "latents-1", "latents-held", "train"} < {*inputs}
