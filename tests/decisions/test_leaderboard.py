"""Ranks: shared by rows that cannot be told apart, and formed once over the whole table."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.decisions.leaderboard import BaseRow, Board, boards, in_order, score_in
from harness.pipeline.results.file import ResultFile
from harness.pipeline.results.read import read_result, result_paths, score_of
from harness.records import Accounting, PseudoValues, Result, Score, Versus

REPORTS = Path(__file__).parents[2] / "reports"
IMAGES = Accounting(expected=9, generated=9, failed=0, scored=9)


def result(name: str, value: float, reach: float = 1.0, flag: str | None = None) -> Result:
    score = Score(
        metric="kid",
        value=value,
        low=value - reach,
        high=value + reach,
        n=9,
        higher_is_better=False,
        flag=flag,
        family="fidelity",
    )
    return Result(
        recipe=name,
        benchmark="b",
        signature="s",
        protocol={},
        keys={},
        images=IMAGES,
        scores=(score,),
        provenance={},
    )


def ranks(board: Board) -> dict[str, str]:
    return {row.result.recipe: row.rank for row in board.rows}


def test_rows_that_cannot_be_told_from_the_best_of_them_share_its_rank() -> None:
    found = boards([result("a", 1), result("b", 2.5), result("c", 4.5), result("d", 5)])[0]
    # b reaches to a, and c to b; but groups are anchored at their best, so c begins a new one.
    assert ranks(found) == {"a": "1–2", "b": "1–2", "c": "3–4", "d": "3–4"}


def test_prompts_that_are_shared_tell_rows_apart_whose_intervals_overlap() -> None:
    prompts = {"a": {"p": 1.0, "q": 9.0, "r": 5.0}, "b": {"p": 1.5, "q": 9.6, "r": 5.4}}

    def pseudo_values(one: Result) -> PseudoValues:
        return PseudoValues({"kid": prompts[one.recipe]})

    rows = [result("a", 5.0), result("b", 5.5)]
    assert ranks(boards(rows)[0]) == {"a": "1–2", "b": "1–2"}
    assert ranks(boards(rows, pseudo_values)[0]) == {"a": "1", "b": "2"}


def test_copies_are_behind_everything_else() -> None:
    found = boards([result("copy", 0.0, flag="copies training pictures"), result("a", 50)])[0]
    assert ranks(found) == {"a": "1", "copy": "2"}


def with_copies(one: Result, value: float | None, flag: str | None = None) -> Result:
    """Return a result whose benchmark looks for copies too."""
    copying = Score(
        metric="memorization",
        value=value,
        low=value,
        high=value,
        n=9,
        higher_is_better=False,
        family="copying",
        flag=flag,
        reason="no network" if value is None else None,
    )
    return one.model_copy(update={"scores": (*one.scores, copying)})


def test_a_row_in_which_nobody_looked_for_copies_is_not_ahead_of_clean_ones() -> None:
    clean, worse = with_copies(result("a", 10), 0.0), with_copies(result("d", 50), 0.0)
    blind = with_copies(result("b", 1), None)
    copies = with_copies(result("c", 0), 0.9, "copies training pictures")
    assert ranks(boards([clean, blind, copies])[0]) == {"a": "1–2", "b": "1–2", "c": "3"}
    behind = with_copies(result("b", 90), None)
    found = ranks(boards([clean, behind, copies])[0])
    assert found == {"a": "1", "b": "2–3", "c": "2–3"}, "b may copy as c does"
    found = ranks(boards([clean, worse, blind, copies])[0])
    assert found == {"a": "1", "d": "2–3", "b": "2–3", "c": "4"}
    alone = boards([with_copies(result("a", 10), None), with_copies(result("b", 1), None)])[0]
    assert ranks(alone) == {"b": "1", "a": "2"}, "no row was looked at: all are equal in that"


def test_a_row_without_a_value_holds_no_rank() -> None:
    blank = {"value": None, "low": None, "high": None, "reason": "no network"}
    nothing = result("b", 0)
    nothing = nothing.model_copy(update={"scores": (nothing.scores[0].model_copy(update=blank),)})
    assert ranks(boards([result("a", 1), nothing])[0]) == {"a": "1", "b": "–"}
    assert ranks(boards([nothing])[0]) == {"b": "–"}


def test_a_board_is_ranked_by_what_some_row_has_a_value_of() -> None:
    def beside(name: str, value: float) -> Result:
        one = result(name, 0)
        kid = one.scores[0].model_copy(
            update={"value": None, "low": None, "high": None, "reason": "no network"}
        )
        clip = Score(
            metric="clip-score", value=value, low=value, high=value, n=9, higher_is_better=True
        )
        return one.model_copy(update={"scores": (kid, clip)})

    (board,) = boards([beside("a", 20), beside("b", 30)])
    assert board.ranked_by == "clip-score"
    assert ranks(board) == {"b": "1", "a": "2"}


@pytest.mark.parametrize("left_out", ["b", "d"])
def test_a_row_below_moves_no_row_above(left_out: str) -> None:
    rows = [result("a", 1), result("b", 2.5), result("c", 9), result("d", 20)]
    whole = ranks(boards(rows)[0])
    assert whole == {"a": "1–2", "b": "1–2", "c": "3", "d": "4"}
    fewer = ranks(boards([row for row in rows if row.recipe != left_out])[0])
    above = [name for name in whole if name < left_out and len(whole[name]) == 1]
    assert {name: fewer[name] for name in above} == {name: whole[name] for name in above}


def beside_base(name: str, value: float, base: float, flag: str | None = None) -> Result:
    """Return a result whose benchmark drew the base beside it."""
    one = result(name, value, flag=flag)
    versus = Versus(value=base, delta=value - base, low=value - base, high=value - base)
    score = one.scores[0].model_copy(update={"base": versus})
    protocol = {"base": ["toy/sdxl", None]}
    keys = {"sample": name[0] * 64, "base": "f" * 64}
    return one.model_copy(update={"scores": (score,), "protocol": protocol, "keys": keys})


def names(board: Board) -> list[str]:
    return ["base" if isinstance(row, BaseRow) else row.result.recipe for row in in_order(board)]


def test_the_bare_base_stands_where_its_value_puts_it_and_holds_no_rank() -> None:
    rows = [beside_base("a", 1, 20), beside_base("b", 90, 20)]
    copies = beside_base("copy", 0, 20, flag="copies training pictures")
    found = boards([*rows, copies])[0]
    assert names(found) == ["a", "base", "b", "copy"]
    assert ranks(found) == {"a": "1", "b": "2", "copy": "3"}
    assert found.base_row is not None
    assert found.base_row.model == "toy/sdxl"
    assert found.base_row.scores["kid"].value == 20
    assert found.base_row.scores["kid"].low is None, "no result has the base's pseudo-values"


def test_the_bare_base_takes_no_second_row_where_its_own_result_is_on_the_board() -> None:
    base = result("toy-base", 20).model_copy(update={"keys": {"sample": "f" * 64}})
    found = boards([beside_base("a", 1, 20), base])[0]
    assert found.base_row is None
    assert names(found) == ["a", "toy-base"]


def test_a_board_whose_benchmark_draws_no_base_has_no_base_row() -> None:
    assert boards([result("a", 1)])[0].base_row is None


def test_the_row_of_the_base_says_what_the_published_result_of_the_base_says() -> None:
    results = [read_result(file) for file in result_paths(REPORTS, "pocket-v1")]
    (base,) = (each for each in results if each.recipe == "pocket-base")
    others = [each for each in results if each is not base]

    def pseudo_values(one: Result) -> PseudoValues:
        return ResultFile(REPORTS / one.benchmark / f"{one.recipe}.json").pseudo_values()

    (board,) = boards(others, pseudo_values)
    (whole,) = boards(results, pseudo_values)
    assert whole.base_row is None
    assert board.base_row is not None
    assert names(board).index("base") == [row.result.recipe for row in whole.rows].index(
        "pocket-base"
    )
    kid = score_in(board.base_row, "kid")
    assert kid is not None
    published = score_of(base, "kid")
    assert published is not None
    assert [kid.value, kid.low, kid.high, kid.n] == pytest.approx(
        [published.value, published.low, published.high, published.n]
    )
