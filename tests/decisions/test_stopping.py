"""Which point of a sweep to take, and what is said where there is little to choose by."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from contenders import contender, normal, with_score

from harness.decisions.advice import place, span, span_to_end
from harness.decisions.stopping import advise, may_be_best
from harness.decisions.sweep import Point, base_point, with_bands
from harness.errors import UsageError
from harness.interfaces import Array
from harness.pipeline.results.read import score_of
from harness.records import PseudoValues, Score, Versus

BLANK: dict[str, Any] = {"value": None, "low": None, "high": None, "reason": "no network"}
RATES = np.zeros(32)
BASE = 30.0


def point(at: float, kid: Array, base: Array | None = None, **memorization: Any) -> Point:
    side = contender({}, f"strength-{at:g}", kid=kid, memorization=RATES)
    side = with_score(side, "memorization", **memorization)
    if base is None:
        return Point(at, side.result, side.prompts)
    each, reach = kid - base, 2.04 * float((kid - base).std(ddof=1)) / 32**0.5
    delta = float(each.mean())
    versus = Versus(value=float(base.mean()), delta=delta, low=delta - reach, high=delta + reach)
    side = with_score(side, "kid", base=versus)
    theirs = {"kid": {f"p{at:03d}": float(value) for at, value in enumerate(base)}}
    return Point.of(at, side.result, PseudoValues(side.prompts, theirs))


def values(mean: float, spread: float = 0.01) -> Array:
    return mean + 0.1 * (normal(0) - normal(0).mean()) + spread * normal(int(mean * 10) + 1)


def with_style(swept: Point, style: Array) -> Point:
    """Return the point with a value of the style, lower is better."""
    score = Score(
        metric="style",
        value=float(style.mean()),
        low=float(style.mean()) - 1,
        high=float(style.mean()) + 1,
        n=32,
        higher_is_better=False,
        family="style",
    )
    prompts = {f"p{at:03d}": float(value) for at, value in enumerate(style)}
    scores = (*swept.result.scores, score)
    result = swept.result.model_copy(update={"scores": scores})
    return Point(swept.at, result, {**swept.prompts, "style": prompts}, swept.base)


def test_the_earliest_point_that_none_is_surely_better_than_is_taken() -> None:
    points = [point(0.0, values(9)), point(0.5, values(3)), point(1.0, values(3))]
    found = advise(points)
    assert (found.at, found.alike) == (0.5, (0.5, 1.0))
    assert found.reason.startswith("by kid points 0.5 and 1 cannot be told apart")
    worse = advise([point(0.0, values(9)), point(0.5, values(3))])
    assert (worse.at, worse.reason) == (0.5, "by kid every other point is surely worse than 0.5")


def test_values_whose_intervals_overlap_are_never_called_the_best() -> None:
    """What three checkpoints of a stranger's style once were: 19 [5, 33], 24 and 25 [−2, 39]."""
    noise = [30 * normal(seed) for seed in (1, 2, 3)]
    points = [
        point(at, mean + each - each.mean())
        for at, mean, each in zip((100, 200, 300), (24.0, 19.0, 25.0), noise, strict=True)
    ]
    found = advise(points)
    assert (found.at, found.alike) == (100, (100, 200, 300))
    assert found.reason.startswith(
        "by kid points from 100 to 300 cannot be told apart (kid at its best, 200, differs by -5 ±"
    )


def test_the_style_narrows_what_the_first_metric_cannot_tell_apart() -> None:
    drawn = [point(at, values(3, 0.5)) for at in (100, 200, 300, 400)]
    styles = [values(mean) for mean in (2.0, 1.0, 1.0, 2.5)]
    found = advise([with_style(*each) for each in zip(drawn, styles, strict=True)])
    assert (found.at, found.alike) == (200, (200, 300))
    assert "by kid points from 100 to 400 cannot be told apart" in found.reason
    assert "by style points 200 and 300 cannot be told apart" in found.reason
    same = advise([with_style(each, values(1, 0.5)) for each in drawn])
    assert same.reason.startswith("by kid and style points from 100 to 400 cannot be told apart")


def test_metrics_that_contradict_each_other_are_named() -> None:
    kids, styles = (values(3), values(9)), (values(9), values(3))
    points = [
        with_style(point(at, kid), style)
        for at, kid, style in zip((100, 200), kids, styles, strict=True)
    ]
    found = advise(points)
    assert found.at == 100
    assert "but by style the best is surely among 200" in found.reason


def test_a_point_that_copies_or_was_not_looked_at_is_left_out() -> None:
    copies = point(0.5, values(1), flag="copies training pictures")
    found = advise([point(0.0, values(9)), copies])
    assert found.at == 0.0
    assert "left out: 0.5 (copies training pictures)" in found.reason
    found = advise([point(0.0, values(9)), point(0.5, values(1), **BLANK)])
    assert found.at == 0.0
    assert "left out: 0.5 (has no memorization)" in found.reason
    everywhere = [point(0.0, values(9), **BLANK), point(0.5, values(1), **BLANK)]
    assert advise(everywhere).at == 0.5, "no point was looked at: all are equal in that"


def test_copies_from_a_step_on_are_said_in_one_clause() -> None:
    late = [point(at, values(1), flag="copies training pictures") for at in (300, 400, 500)]
    found = advise([point(100, values(9)), point(200, values(3)), *late])
    assert found.at == 200
    assert "left out: from 300 on (copies training pictures)" in found.reason


def test_points_without_prompts_in_common_are_not_taken_for_equal() -> None:
    bare = Point(0.0, point(0.0, values(9)).result, {})
    found = advise([bare, point(0.5, values(3))])
    assert found.at == 0.5
    assert "left out: 0 (too few prompts in common with 0.5 to be told apart)" in found.reason


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


def test_only_what_is_surely_better_than_the_base_is_taken() -> None:
    base = values(BASE)
    vague = point(100, values(25) + 60 * (normal(7) - normal(7).mean()), base)
    sure = point(200, values(24), base)
    found = advise([vague, sure])
    assert (found.at, found.alike) == (200, (200,))
    assert "of these only 200 is surely better than the bare base" in found.reason
    none = advise([vague])
    assert none.at is None
    assert "no point is surely better than the bare base by kid: the best, 100" in none.reason


def test_the_bare_base_stands_first_at_zero_with_its_own_interval() -> None:
    points = [point(at, values(mean), values(BASE)) for at, mean in ((100, 9), (200, 3))]
    base = base_point(points)
    assert base is not None
    score = score_of(base.result, "kid")
    assert score is not None
    assert score.value == pytest.approx(BASE, abs=0.1)
    assert score.low is not None
    assert score.low < BASE
    assert [each.at for each in with_bands(points)] == [0, 100, 200]
    assert base_point([point(0.0, values(9), values(BASE))]) is None, "it is a point itself"
    assert base_point([point(100, values(9))]) is None, "it was not drawn"


def test_bands_hold_for_all_points_together() -> None:
    points = [point(at, values(at)) for at in (1.0, 2.0, 3.0)]
    alone, together = (score_of(each[1].result, "kid") for each in (points, with_bands(points)))
    assert alone is not None
    assert together is not None
    widths = [float(each.high or 0) - float(each.low or 0) for each in (alone, together)]
    assert widths[1] / widths[0] == pytest.approx(2.5317 / 2.0395, rel=1e-3)


def test_rivals_that_a_race_stopped_still_count() -> None:
    """A choice among ten is no surer for its having stopped eight of them."""
    chance = 0.0107 * np.ones(32) * (1 + 2 * (normal(3) - normal(3).mean()))
    points = [point(100, values(3) + 2.1 * chance), point(200, values(3))]
    alone = may_be_best(points, "kid", None)
    assert alone == (200,), "surely worse, where there are two"
    assert may_be_best(points, "kid", None, unseen=10_000) == (100, 200)


def test_points_are_named_in_few_words() -> None:
    every = [50, 100, 250, 300, 400]
    assert span([250, 300, 400], every) == "from 250 to 400"
    assert span([50, 250, 300], every) == "50, 250 and 300"
    assert span_to_end([300, 400], every) == "from 300 on"
    assert span_to_end([50, 300, 400], every) == "50 and from 300 on"
    assert span_to_end([400], every) == "400"
    assert (place(2_500_000.0), place(0.25)) == ("2500000", "0.25")
