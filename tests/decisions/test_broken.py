"""Broken images weigh as copies do: no good value of another metric makes up for them."""

from __future__ import annotations

from typing import Any

import numpy as np
from contenders import contender, normal, with_score

from harness.decisions.contender import Contender
from harness.decisions.gate import gate
from harness.decisions.leaderboard import BaseRow, boards, in_order
from harness.decisions.stopping import advise
from harness.decisions.sweep import Point
from harness.metrics.broken import FLAG
from harness.records import Versus

BLANK: dict[str, Any] = {"value": None, "low": None, "high": None, "reason": "no network"}
NONE, ALL = np.zeros(32), np.ones(32)


def of(name: str, kid: float, is_broken: bool = False) -> Contender:
    """Return a result with a KID, beside a base at 30."""
    side = contender({}, name, kid=kid + 0.1 * normal(1), broken=ALL if is_broken else NONE)
    delta = kid - 30.0
    versus = Versus(value=30.0, delta=delta, low=delta - 1, high=delta + 1)
    side = with_score(side, "kid", base=versus)
    return with_score(side, "broken", flag=FLAG) if is_broken else side


def test_smears_with_the_best_kid_stand_behind_all_others_and_the_base() -> None:
    smears, worse = of("smears", 1, is_broken=True), of("worse", 50)
    (board,) = boards([smears.result, worse.result])
    order = ["base" if isinstance(row, BaseRow) else row.result.recipe for row in in_order(board)]
    assert order == ["base", "worse", "smears"]
    assert {row.result.recipe: row.rank for row in board.rows} == {"worse": "1", "smears": "2"}
    assert "broken" not in board.headlines


def test_a_row_in_which_nobody_looked_for_broken_images_is_not_ahead_of_clean_ones() -> None:
    blind = with_score(of("blind", 1), "broken", **BLANK)
    (board,) = boards([blind.result, of("clean", 9).result])
    assert [row.result.recipe for row in board.rows] == ["clean", "blind"]


def test_a_gate_fails_broken_images_whatever_else_got_better() -> None:
    found = gate(of("smears", 1, is_broken=True), of("baseline", 20))
    assert found.exit_code == 3
    (flags,) = [check for check in found.checks if check.kind == "flags"]
    assert flags.reason == "broken draws broken pictures"


def test_a_gate_cannot_tell_where_the_baseline_was_looked_at_and_the_candidate_was_not() -> None:
    found = gate(with_score(of("blind", 1), "broken", **BLANK), of("baseline", 20))
    (flags,) = [check for check in found.checks if check.kind == "flags"]
    assert (flags.verdict, flags.reason) == ("under-powered", "not known without broken")


def swept(at: float, side: Contender) -> Point:
    return Point(at, side.result, side.prompts)


def test_a_sweep_takes_no_point_whose_images_are_broken() -> None:
    good = swept(50, of("step-50", 9))
    found = advise([good, swept(100, of("step-100", 1, is_broken=True))])
    assert found.at == 50
    assert f"left out: 100 ({FLAG})" in found.reason


def test_a_sweep_of_nothing_but_broken_images_recommends_none() -> None:
    found = advise([swept(at, of(f"step-{at}", 1, is_broken=True)) for at in (50, 100)])
    assert str(found) == f"take none: no point is left; left out: 50 and 100 ({FLAG})"
    assert [stop.points for stop in found.stops] == [(50, 100)]
