"""Ranks: shared by rows that cannot be told apart, and formed once over the whole table."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from harness.decisions.leaderboard import Board, boards
from harness.records import Accounting, Result, Score

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

    def beside(one: Result, metric: str) -> Mapping[str, float]:
        assert metric == "kid"
        return prompts[one.recipe]

    rows = [result("a", 5.0), result("b", 5.5)]
    assert ranks(boards(rows)[0]) == {"a": "1–2", "b": "1–2"}
    assert ranks(boards(rows, (), beside)[0]) == {"a": "1", "b": "2"}


def test_copies_are_behind_everything_else() -> None:
    found = boards([result("copy", 0.0, flag="copies training pictures"), result("a", 50)])[0]
    assert ranks(found) == {"a": "1", "copy": "2"}


@pytest.mark.parametrize("left_out", ["b", "d"])
def test_a_row_below_moves_no_row_above(left_out: str) -> None:
    rows = [result("a", 1), result("b", 2.5), result("c", 9), result("d", 20)]
    whole = ranks(boards(rows)[0])
    assert whole == {"a": "1–2", "b": "1–2", "c": "3", "d": "4"}
    fewer = ranks(boards([row for row in rows if row.recipe != left_out])[0])
    above = [name for name in whole if name < left_out and len(whole[name]) == 1]
    assert {name: fewer[name] for name in above} == {name: whole[name] for name in above}
