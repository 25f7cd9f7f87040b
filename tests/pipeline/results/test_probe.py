"""The table of the loss probe → what it says, against hand-made losses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from harness.pipeline.results.probe import summary_of
from harness.pipeline.results.tables import TABLES


def rows(step: int, trained: float, held_out: float, count: int = 12) -> list[dict[str, Any]]:
    """A checkpoint's rows: each picture's losses are a share of the base's."""
    rng = np.random.default_rng(3)
    found = []
    for side, share in (("trained", trained), ("held-out", held_out)):
        for number in range(count):
            base = rng.uniform(0.8, 1.2, 2)
            found.append(
                {
                    "step": step,
                    "side": side,
                    "id": f"{side}-{number}",
                    "tags": ["1girl", "smile"] if number < 8 else ["1girl"],
                    "timesteps": [250, 750],
                    "losses": [float(each * share) for each in base],
                }
            )
    return found


def table(*parts: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([row for part in parts for row in part], TABLES["probe"])


def test_every_checkpoint_has_its_gain_and_its_member_test() -> None:
    said = summary_of(table(rows(0, 1, 1), rows(50, 0.9, 0.9), rows(100, 0.2, 0.8)))
    assert (said.trained, said.held_out) == (12, 12)
    first, last = said.steps
    assert first.gain is not None
    assert first.gain.value == pytest.approx(0.1)
    assert first.member is not None
    assert first.member.value == 0.5
    assert not first.member.significant
    assert last.gain is not None
    assert last.trained_gain is not None
    assert (last.gain.value, last.trained_gain.value) == pytest.approx((0.2, 0.8))
    assert last.member is not None
    assert last.member.value == 1.0
    assert last.member.significant
    assert [each.timestep for each in last.timesteps] == [250, 750]
    assert [each.auc for each in last.timesteps] == [1.0, 1.0]
    assert {each.tag: each.pictures for each in last.tags} == {"1girl": 12, "smile": 8}
    assert first.tags == ()


def test_losses_that_are_not_finite_are_counted_and_give_no_figure() -> None:
    broken = rows(50, 0.9, 0.9)
    broken[0]["losses"][1] = None
    broken[13]["losses"][0] = None
    (step,) = summary_of(table(rows(0, 1, 1), broken)).steps
    assert step.gain is None
    assert step.member is None
    assert step.reason == "2 losses are not finite"
    assert step.timesteps[0].auc is None


def test_few_pictures_have_a_gain_and_no_member_test() -> None:
    (step,) = summary_of(table(rows(0, 1, 1, count=5), rows(50, 0.9, 0.9, count=5))).steps
    assert step.gain is not None
    assert step.member is None
    assert step.reason is not None
    assert "5 pictures" in step.reason
