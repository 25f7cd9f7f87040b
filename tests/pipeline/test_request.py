"""A request: what a recipe's name and the flags of a run stand for."""

from __future__ import annotations

from pathlib import Path

from harness.pipeline.request import requested

TINY = Path(__file__).parents[1] / "fixtures" / "recipes" / "tiny.yaml"


def test_a_deterministic_run_trains_anew_and_shares_all_that_is_before_training():
    own, others = (
        {step.name: step.key for step in requested(TINY, "pocket-v1", each).plan().steps}
        for each in (False, True)
    )
    changed = {name for name in own if own[name] != others[name]}
    assert {"train", "sample", "score"} <= changed
    assert not {name for name in changed if name.startswith(("data", "latents", "texts"))}


def test_a_deterministic_run_of_a_recipe_that_only_loads_changes_nothing():
    one, other = (requested("pocket-base", None, each).plan() for each in (False, True))
    assert one.steps == other.steps
