"""Runs of equal quality: other seeds of the same recipe."""

from __future__ import annotations

import pytest

from harness.decisions.null_runs import retrained
from harness.errors import UsageError
from harness.pages import benchmark as benchmarks
from harness.pages import recipe as recipes


def test_no_training_is_asked_of_a_recipe_that_trains_nothing() -> None:
    base, judgement = recipes.load("pocket-base"), benchmarks.load("pocket-v1")
    with pytest.raises(UsageError, match="--trainings 0"):
        retrained(base, judgement, 2)
    assert retrained(base, judgement, 0) == []
