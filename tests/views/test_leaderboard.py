"""A board as values: the same numbers as the report's, of all prompts or of a group's."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import load_result
from harness.decisions.leaderboard import Board
from harness.pipeline.results.read import score_of
from harness.report.numbers import cell
from harness.views.leaderboard import Choice, front, group_names, pareto, table
from harness.views.reports_index import ReportsIndex


def test_a_view_says_what_the_board_says(index: ReportsIndex) -> None:
    board = index.boards()[0]
    view = table(index, board, Choice())
    assert [row["recipe"] for row in view["rows"]] == [row.result.recipe for row in board.rows]
    assert [head["name"] for head in view["metrics"]] == list(board.headlines)
    for shown, row in zip(view["rows"], board.rows, strict=True):
        score = score_of(row.result, "kid")
        assert score is not None
        assert shown["cells"]["kid"]["text"] == cell(score)
        assert shown["cells"]["kid"]["n"] == 96
        assert shown["cells"]["kid"]["at"] == pytest.approx(board.position(row, "kid"), abs=1e-4)
    json.dumps(view, allow_nan=False)


def test_an_axis_holds_every_interval_and_both_ends(index: ReportsIndex) -> None:
    view = table(index, index.boards()[0], Choice())
    for head in view["metrics"]:
        values = [row["cells"][head["name"]] for row in view["rows"]]
        for part in [*values, {"lo": head["floor"], "hi": head["base"]}]:
            room = 1e-5 * (head["to"] - head["from"])
            assert head["from"] - room <= part["lo"] <= head["to"] + room
            assert head["from"] - room <= part["hi"] <= head["to"] + room


def test_flags_and_costs_stand_in_their_rows(index: ReportsIndex) -> None:
    rows = {row["recipe"]: row for row in table(index, index.boards()[0], Choice())["rows"]}
    assert rows["pocket-ninja-overfit"]["flags"] == ["copies training pictures"]
    assert "MB adapter" in rows["pocket-ninja"]["cost"]
    assert rows["pocket-base"]["cost"] == "–"


def test_rows_come_sorted_and_no_more_than_are_asked_for(index: ReportsIndex) -> None:
    board = index.boards()[0]

    def names(choice: Choice) -> list[str]:
        return [row["recipe"] for row in table(index, board, choice)["rows"]]

    values = {}
    for row in board.rows:
        score = score_of(row.result, "clip-score")
        assert score is not None
        values[row.result.recipe] = score.value or 0.0
    rising = sorted(values, key=values.__getitem__)
    assert names(Choice(sort="clip-score")) == rising
    assert names(Choice(sort="clip-score", falling=True, most=2)) == rising[:-3:-1]
    assert names(Choice(sort="recipe")) == sorted(rising)
    assert names(Choice(sort="nonsense")) == names(Choice())
    assert table(index, board, Choice(most=2))["total"] == 5
    few = table(index, board, Choice(most=2))["metrics"]
    assert few == table(index, board, Choice())["metrics"], "axes hold the rows not shown too"


def without_the_base(index: ReportsIndex) -> Board:
    """Return the board once the base's own result is gone."""
    for file in (index.reports / "pocket-v1").glob("pocket-base.*"):
        file.unlink()
    return index.boards()[0]


def test_the_bare_base_is_a_row_without_a_rank(index: ReportsIndex) -> None:
    board = without_the_base(index)
    view = table(index, board, Choice())
    names = [row["recipe"] for row in view["rows"]]
    assert names.index("bare base") == 2
    assert view["total"] == 4, "the base is no result"
    base = view["rows"][2]
    assert (base["reference"], base["rank"], base["images"]) == (True, "–", "–")
    head = view["metrics"][0]
    assert base["cells"]["kid"]["v"] == pytest.approx(head["base"], rel=1e-5)
    assert base["cells"]["kid"]["at"] == 0
    for head in view["metrics"]:
        cell = base["cells"][head["name"]]
        room = 1e-5 * (head["to"] - head["from"])
        assert head["from"] - room <= cell["lo"] <= cell["hi"] <= head["to"] + room
    json.dumps(view, allow_nan=False)


def test_the_bare_base_is_sorted_with_the_rows(index: ReportsIndex) -> None:
    board = without_the_base(index)
    for falling in (False, True):
        view = table(index, board, Choice(sort="clip-score", falling=falling))
        values = [row["cells"]["clip-score"]["v"] for row in view["rows"]]
        assert values == sorted(values, reverse=falling)
        view = table(index, board, Choice(sort="recipe", falling=falling))
        names = [row["recipe"] for row in view["rows"]]
        assert names == sorted(names, reverse=falling)
    ranked = table(index, board, Choice(falling=True))["rows"]
    assert [row["recipe"] for row in ranked].index("bare base") == 2


def test_the_bare_base_has_no_values_of_a_suite_and_no_place_on_the_front(
    index: ReportsIndex,
) -> None:
    board = without_the_base(index)
    rows = table(index, board, Choice(group="pocket-tags"))["rows"]
    assert "bare base" not in [row["recipe"] for row in rows]
    points = pareto(table(index, board, Choice()), "kid", "clip-score")
    assert "bare base" not in [point["recipe"] for point in points]


def test_a_filter_moves_no_rank(index: ReportsIndex) -> None:
    board = index.boards()[0]
    ranks = {row["recipe"]: row["rank"] for row in table(index, board, Choice())["rows"]}
    few = table(index, board, Choice(words="ninja SHORT"))["rows"]
    assert [row["recipe"] for row in few] == ["pocket-ninja-short"]
    assert few[0]["rank"] == ranks["pocket-ninja-short"]


def test_values_of_a_suite_are_those_of_the_report(index: ReportsIndex) -> None:
    board = index.boards()[0]
    assert group_names(board)[:3] == ["pocket-tags", "pocket-sentences", "pocket-ood"]
    view = table(index, board, Choice(metrics=("clip-score", "kid"), group="pocket-tags"))
    for row in view["rows"]:
        entry = index.find(row["name"])
        part = next(
            each
            for each in load_result(entry.file.path).groups()
            if (each.group, each.metric) == ("pocket-tags", "clip-score")
        )
        shown = row["cells"]["clip-score"]
        assert shown["v"] == pytest.approx(part.value, rel=1e-5)
        assert (shown["lo"], shown["hi"]) == pytest.approx(part.ends, rel=1e-5)
        assert row["cells"]["kid"]["text"] == "–"
        assert "no mean over images" in row["cells"]["kid"]["why"]


def test_a_broken_result_is_named_in_the_view(index: ReportsIndex) -> None:
    (index.reports / "pocket-v1/half.json").write_text("{")
    view = table(index, index.boards()[0], Choice())
    assert [each["name"] for each in view["broken"]] == ["pocket-v1/half"]


Points = st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5), st.booleans()), max_size=12)


@given(Points, st.booleans(), st.booleans())
def test_nothing_without_a_flag_beats_what_is_in_front(
    points: list[tuple[int, int, bool]], x_up: bool, y_up: bool
) -> None:
    rows = [{"x": x, "y": y, "flagged": flagged} for x, y, flagged in points]
    found = front(rows, x_up, y_up)
    sign = np.array([1 if x_up else -1, 1 if y_up else -1])
    values = [sign * np.array([x, y]) for x, y, _ in points]
    for at, (_, _, flagged) in enumerate(points):
        beaten = any(
            (values[other] >= values[at]).all() and (values[other] > values[at]).any()
            for other in range(len(points))
            if not points[other][2]
        )
        if found[at]:
            assert not flagged
            assert not beaten
        elif not flagged and not beaten:
            twin = [other for other in range(len(points)) if found[other]]
            assert any((values[other] == values[at]).all() for other in twin)


def test_the_front_is_drawn_over_the_rows_that_have_both_values(index: ReportsIndex) -> None:
    view = table(index, index.boards()[0], Choice())
    rows = pareto(view, "kid", "clip-score")
    assert {row["recipe"] for row in rows if row["front"]} == {"pocket-ninja", "pocket-ninja-short"}
