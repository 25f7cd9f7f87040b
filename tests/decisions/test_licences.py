"""No decision asks a metric that is blind here: it ranks, recommends, passes and fails nothing."""

from __future__ import annotations

from typing import Any

import pytest
from contenders import contender, normal, with_score

from harness.decisions.compare import compare
from harness.decisions.contender import Contender
from harness.decisions.gate import gate
from harness.decisions.leaderboard import Board, boards
from harness.decisions.stopping import advise
from harness.decisions.sweep import Point
from harness.pages.policy import Limits, Policy
from harness.records import Accounting, Result, Score, Versus
from harness.report.checks import sentence as check_sentence
from harness.report.comparison import sentence
from harness.report.leaderboard import as_markdown, board_document

BLIND = "blind to smears"
IMAGES = Accounting(expected=9, generated=9, failed=0, scored=9)


def score(metric: str, value: float, licence: str | None = None, **more: Any) -> Score:
    known: dict[str, Any] = {"n": 9, "higher_is_better": False, "family": "fidelity", **more}
    return Score(
        metric=metric, value=value, low=value - 1, high=value + 1, licence=licence, **known
    )


def result(name: str, *scores: Score) -> Result:
    return Result(
        recipe=name,
        benchmark="b",
        signature="s",
        protocol={},
        keys={},
        images=IMAGES,
        scores=scores,
        provenance={},
    )


def ranks(board: Board) -> dict[str, str]:
    return {row.result.recipe: row.rank for row in board.rows}


def test_a_board_is_ranked_by_the_first_metric_that_may_and_says_which_may_not() -> None:
    smears = result("smears", score("kid", 1, BLIND), score("cmmd", 50, "licensed"))
    base = result("base", score("kid", 30, BLIND), score("cmmd", 9, "licensed"))
    (board,) = boards([smears, base])
    assert board.ranked_by == "cmmd"
    assert ranks(board) == {"base": "1", "smears": "2"}
    assert board.ranking == "ranked by cmmd (kid may not judge: blind to smears)"
    assert "ranked by cmmd (kid may not judge: blind to smears)" in as_markdown([board])
    assert board_document(board)["licences"] == {"kid": BLIND, "cmmd": "licensed"}


def test_a_probe_ranks_where_no_kid_may() -> None:
    rows = [
        result(
            name,
            score("cmmd", 9, "licensed"),
            score("kid", 1, BLIND),
            score("style-probe", value, "licensed", family="style", higher_is_better=True),
            score("style", 1, "licensed", family="style"),
        )
        for name, value in (("smears", 2), ("ninja", 98))
    ]
    (board,) = boards(rows)
    assert board.ranking == "ranked by style-probe (kid may not judge: blind to smears)"
    assert ranks(board) == {"ninja": "1", "smears": "2"}


@pytest.mark.parametrize("first", ["kid", "kid-lite0"])
def test_of_two_kids_the_first_on_the_page_ranks_and_the_second_stands_in(first: str) -> None:
    names = ("kid", "kid-lite0") if first == "kid" else ("kid-lite0", "kid")
    rows = [
        result(name, *(score(each, value + at, "licensed") for at, each in enumerate(names)))
        for name, value in (("a", 1), ("b", 30))
    ]
    (board,) = boards(rows)
    assert (board.ranked_by, board.ranking) == (first, f"ranked by {first}")
    assert board.headlines == (first,)
    blind = [
        result(name, score(names[0], value, BLIND), score(names[1], 9 - value, "licensed"))
        for name, value in (("a", 1), ("b", 30))
    ]
    (board,) = boards(blind)
    assert board.ranking == f"ranked by {names[1]} ({first} may not judge: blind to smears)"
    assert ranks(board) == {"b": "1", "a": "2"}
    sides = [contender({name: normal(at) for at, name in enumerate(names)}) for _ in range(2)]
    told = sentence(
        compare(*(licensed(each, **{first.replace("-", "_"): BLIND}) for each in sides))
    )
    assert f"{first} may not judge here: blind to smears" in told
    assert compare(*sides).ranked_by == first


def test_a_board_says_what_its_metric_was_not_asked() -> None:
    words = "licensed, not asked about other-style"
    (board,) = boards([result("a", score("kid", 1, words)), result("b", score("kid", 30, words))])
    assert ranks(board) == {"a": "1", "b": "2"}
    assert board.ranking == "ranked by kid (kid was not asked about other-style)"
    assert board.headlines == ("kid",)
    assert "kid ↓" in as_markdown([board])
    assert "⊘" not in as_markdown([board])


def test_a_board_of_which_no_metric_may_rank_is_not_ranked() -> None:
    (board,) = boards(
        [result("smears", score("kid", 1, BLIND)), result("b", score("kid", 30, BLIND))]
    )
    assert board.ranked_by is None
    assert ranks(board) == {"smears": "1–2", "b": "1–2"}
    assert board.ranking == "not ranked (kid may not judge: blind to smears)"


def test_a_board_of_a_benchmark_without_a_card_is_ranked_as_before() -> None:
    (board,) = boards([result("a", score("kid", 1)), result("b", score("kid", 30))])
    assert (board.ranked_by, board.ranking) == ("kid", "ranked by kid")
    assert ranks(board) == {"a": "1", "b": "2"}


def point(at: float, *scores: Score) -> Point:
    prompts = {
        each.metric: {f"p{n}": each.value + 0.01 * n for n in range(4)}
        for each in scores
        if each.value
    }
    return Point(at, result(f"step-{at:g}", *scores), prompts)


def test_a_sweep_recommends_nothing_by_a_blind_metric() -> None:
    advice = advise([point(100, score("kid", 19, BLIND)), point(200, score("kid", 24, BLIND))])
    assert advice.at is None
    assert str(advice) == "take none: kid may not judge: blind to smears"


def test_a_sweep_asks_the_next_metric_and_says_which_may_not_judge() -> None:
    points = [
        point(at, score("kid", kid, BLIND), score("cmmd", cmmd, "licensed"))
        for at, kid, cmmd in ((100, 1, 50), (200, 24, 9))
    ]
    advice = advise(points)
    assert advice.at == 200
    assert advice.reason.startswith("by cmmd every other point is surely worse than 200; ")
    assert advice.reason.endswith("kid may not judge: blind to smears")


@pytest.mark.parametrize(("high", "taken"), [(-6.0, 100.0), (-2.0, None), (3.0, None)])
def test_a_sweep_recommends_nothing_that_is_not_surely_better_than_the_base(
    high: float, taken: float | None
) -> None:
    versus = Versus(value=30, delta=-11, low=-22 - high, high=high)
    advice = advise([point(at, score("kid", 19, base=versus)) for at in (100.0, 200.0)])
    assert advice.at == taken
    if taken is None:
        assert "no point is surely better than the bare base" in advice.reason


def licensed(side: Contender, **licences: str) -> Contender:
    for column, words in licences.items():
        side = with_score(side, column.replace("_", "-"), licence=words)
    return side


SAME = {"kid": normal(0), "fid": normal(0), "clip-score": normal(1)}
BASELINE = contender(SAME, "oil")
WORSE = contender({**SAME, "kid": normal(0) + 9 + 0.1 * normal(2)}, "ink")


def test_a_comparison_decides_by_a_metric_that_may_and_names_the_blind_one() -> None:
    blind = compare(*(licensed(each, kid=BLIND, fid="licensed") for each in (WORSE, BASELINE)))
    assert compare(WORSE, BASELINE).verdict == "worse", "the smears would have shown, or hidden"
    assert (blind.ranked_by, blind.verdict) == ("fid", "no-difference")
    assert "kid may not judge here: blind to smears" in sentence(blind)
    kid = next(each for each in blind.metrics if each.metric == "kid")
    assert (kid.verdict, kid.declared) == ("under-powered", False)
    assert kid.delta == pytest.approx(9, abs=0.1), "what it says is still shown"


def test_a_gate_neither_fails_nor_passes_by_a_blind_metric_that_a_policy_names() -> None:
    policy = Policy(name="p", summary="s", metrics=(Limits(metric="kid", margin=1.0, most=0.1),))
    assert gate(WORSE, BASELINE, policy).exit_code == 3
    sides = [licensed(each, kid=BLIND) for each in (WORSE, BASELINE)]
    decision = gate(*sides, policy)
    assert decision.exit_code == 4
    told = [check_sentence(each) for each in decision.checks if each.metric == "kid"]
    assert len(told) == 2
    assert all("may not judge here: blind to smears" in each for each in told)
    assert gate(sides[1], sides[1], policy).exit_code == 4, "nor does an equal result pass by it"


def test_a_gate_asks_another_metric_of_the_family_or_cannot_tell() -> None:
    equal = [licensed(each, kid=BLIND, fid="licensed") for each in (BASELINE, BASELINE)]
    assert gate(*equal).exit_code == 0
    silent = [licensed(each, kid=BLIND, fid=BLIND) for each in (BASELINE, BASELINE)]
    decision = gate(*silent)
    assert decision.exit_code == 4
    (check,) = [each for each in decision.checks if each.kind == "missing"]
    assert check.reason == (
        "may not judge here: blind to smears, and no other metric of its family may"
    )


def test_no_flag_is_no_good_news_from_a_metric_that_is_blind_to_copies() -> None:
    with_copying = contender({**SAME, "memorization": 0.01 * normal(3)}, "oil")
    assert gate(with_copying, with_copying).exit_code == 0
    blind = licensed(with_copying, memorization="blind to copies")
    decision = gate(blind, blind)
    assert decision.exit_code == 4
    (check,) = [each for each in decision.checks if each.kind == "flags"]
    assert check.reason == "not known without memorization"
