"""The loss probe beside a sweep: the gain judges picture by picture, the member test says stop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from contenders import contender, normal

from harness.decisions.probed import memorizing, with_probe
from harness.decisions.stopping import advise
from harness.decisions.sweep import GAIN, MEMBER, Point, base_point, metrics_in_order
from harness.pipeline.results.probe import ProbeTable, summary_of
from harness.pipeline.results.read import score_of

PICTURES, STEPS = 16, (100, 200, 300, 400)
GAINS = {100: 0.05, 200: 0.20, 300: 0.20, 400: 0.20}
KNOWN = {100: 0.0, 200: 0.0, 300: 0.0, 400: 0.5}
"""By how much more the loss of pictures that were trained on falls."""


def rows(gains: Mapping[int, float] = GAINS) -> list[dict[str, Any]]:
    base, found = 1 + 0.1 * np.abs(normal(1, PICTURES)), []
    for step in (0, *STEPS):
        for side in ("trained", "held-out"):
            fallen = 1 - gains.get(step, 0) - (KNOWN.get(step, 0) if side == "trained" else 0)
            losses = base * fallen * (1 + 0.01 * normal(step + len(side), PICTURES) * (step > 0))
            found += [
                {
                    "step": step,
                    "side": side,
                    "picture": f"{side}{number}",
                    "tags": [],
                    "timesteps": [500],
                    "losses": [float(loss)],
                }
                for number, loss in enumerate(losses)
            ]
    return found


@pytest.fixture(scope="module")
def points() -> list[Point]:
    """Four checkpoints whose KIDs cannot be told apart, with what the probe says of each."""
    return probed(rows())


def probed(table: list[dict[str, Any]]) -> list[Point]:
    bare = []
    for step in STEPS:
        noise = normal(step)
        side = contender({}, f"step-{step}", kid=3 + noise - noise.mean())
        bare.append(Point(step, side.result, side.prompts))
    return with_probe(bare, summary_of(pa.Table.from_pylist(table)), ProbeTable(table))


def test_the_gain_is_a_score_beside_the_metrics_with_a_value_a_picture(points: list[Point]) -> None:
    score = score_of(points[1].result, GAIN)
    assert score is not None
    assert score.value == pytest.approx(0.2, abs=0.01)
    assert len(points[1].prompts[GAIN]) == PICTURES
    assert np.mean([*points[1].prompts[GAIN].values()]) == pytest.approx(score.value, abs=1e-4)
    base = base_point(points)
    assert base is not None
    assert [each.metric for each in base.result.scores] == [GAIN, MEMBER]
    assert [each.value for each in base.result.scores] == [0.0, 0.5]


def test_the_gain_narrows_what_the_pictures_cannot_tell_apart(points: list[Point]) -> None:
    found = advise(points)
    assert (found.at, found.alike) == (200, (200, 300))
    assert "by kid points from 100 to 400 cannot be told apart" in found.reason
    assert f"by {GAIN} points from 200 to 400 cannot be told apart" in found.reason


def test_a_significant_member_test_is_a_reason_to_stop_earlier(points: list[Point]) -> None:
    assert memorizing(points) == (400,)
    found = advise(points)
    assert "the member test says memorizing: 400" in found.reason
    assert found.stops[-1].points == (400,)
    only = advise([points[-1]])
    assert only.at == 400, "where all memorize, it is said and no less is known of the rest"
    assert "the member test says memorizing: 400" in only.reason


def test_a_point_that_memorizes_beats_none_that_does_not_by_a_judge_beside() -> None:
    points = probed(rows({**GAINS, 400: 0.4}))
    assert memorizing(points) == (400,)
    found = advise(points)
    assert (found.at, found.alike) == (200, (200, 300)), "400 has the best gain, and knows them"
    assert "the member test says memorizing: 400" in found.reason
    assert "every other point is surely worse than 400" not in found.reason


def test_the_probe_never_ranks(points: list[Point]) -> None:
    assert metrics_in_order(points) == ["kid", GAIN, MEMBER]
    blind = []
    for each in points:
        kid, *others = each.result.scores
        barred = kid.model_copy(update={"licence": "blind to smears"})
        result = each.result.model_copy(update={"scores": (barred, *others)})
        blind.append(Point(each.at, result, each.prompts, each.base, each.member_p))
    assert advise(blind).at is None
