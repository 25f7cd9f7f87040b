"""What a recipe says of pictures held out of its training."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from schooling import recipe

HELD: dict[str, Any] = {"source": {"use": "pocket", "set": "ninja", "first": 50000, "count": 20}}


def complaint(data: dict[str, Any] | None = None, **train: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        recipe(data, **train)
    return str(caught.value)


def test_a_share_and_a_source_exclude_each_other() -> None:
    assert "share exclude each other" in complaint(validation={**HELD, "share": 0.1})


def test_a_validation_must_hold_something_out() -> None:
    assert "holds nothing out" in complaint(validation={"rows": 20})
    assert recipe({"part": "train"}, validation={"rows": 20}).train is not None
    assert recipe(validation={"share": 0.2}).train is not None


def test_validating_while_training_needs_held_out_pictures_and_few_enough_steps() -> None:
    assert "held out" in complaint(validate_every=1)
    assert recipe({"part": "train"}, validate_every=1).train is not None
    assert "more than there are steps" in complaint(validate_every=4, validation=HELD)
