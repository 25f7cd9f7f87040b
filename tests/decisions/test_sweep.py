"""Which point of a sweep to take, and what is said where there is little to choose by."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from contenders import contender, normal, with_score

from harness.decisions.sweep import Point, advise
from harness.errors import UsageError
from harness.interfaces import Array

BLANK: dict[str, Any] = {"value": None, "low": None, "high": None, "reason": "no network"}
RATES = np.zeros(32)


def point(at: float, kid: Array, **memorization: Any) -> Point:
    side = contender({}, f"strength-{at:g}", kid=kid, memorization=RATES)
    side = with_score(side, "memorization", **memorization)
    return Point(at, side.result, side.prompts)


def values(mean: float) -> Array:
    return mean + 0.1 * (normal(0) - normal(0).mean()) + 0.01 * normal(int(mean * 10) + 1)


def test_the_earliest_point_that_none_is_surely_better_than_is_taken() -> None:
    points = [point(0.0, values(9)), point(0.5, values(3)), point(1.0, values(3))]
    found = advise(points)
    assert found.at == 0.5
    worse = advise([point(0.0, values(9)), point(0.5, values(3))])
    assert (worse.at, worse.reason.split("; ")[1]) == (
        0.5,
        "the best value, and every earlier point is surely worse",
    )


def test_a_point_that_copies_or_was_not_looked_at_is_left_out() -> None:
    copies = point(0.5, values(1), flag="copies training pictures")
    found = advise([point(0.0, values(9)), copies])
    assert found.at == 0.0
    assert "0.5 is left out: it copies training pictures" in found.reason
    found = advise([point(0.0, values(9)), point(0.5, values(1), **BLANK)])
    assert found.at == 0.0
    assert "0.5 is left out: it has no memorization" in found.reason
    everywhere = [point(0.0, values(9), **BLANK), point(0.5, values(1), **BLANK)]
    assert advise(everywhere).at == 0.5, "no point was looked at: all are equal in that"


def test_points_without_prompts_in_common_are_not_taken_for_equal() -> None:
    bare = Point(0.0, point(0.0, values(9)).result, {})
    found = advise([bare, point(0.5, values(3))])
    assert found.at == 0.5
    assert "too few prompts in common" in found.reason


def test_points_without_a_value_give_no_advice() -> None:
    one = point(0.0, values(9))
    nothing = Point(
        0.0,
        one.result.model_copy(
            update={"scores": tuple(s.model_copy(update=BLANK) for s in one.result.scores)}
        ),
        {},
    )
    with pytest.raises(UsageError, match="no point without a flag has a kid"):
        advise([nothing])
