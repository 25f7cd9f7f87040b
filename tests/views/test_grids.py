"""Grids: the same prompt and seed under everything that differs."""

from __future__ import annotations

import pytest

from harness.errors import UsageError
from harness.views.grids import CELLS, Layout, grid, pages, subjects, turned
from harness.views.reports_index import ReportsIndex


def test_a_row_is_a_prompt_and_a_column_a_recipe_at_one_seed(index: ReportsIndex) -> None:
    entries = index.entries()[:3]
    found = subjects(index, entries, seeds=(2,))
    sheet = grid(index, found, Layout(overlay="clip-score"))
    assert [each["head"] for each in sheet["columns"]] == [each.recipe for each in entries]
    assert len(sheet["panels"]) == 1
    for label, row in zip(sheet["rows"], sheet["panels"][0]["rows"], strict=True):
        assert {cell["prompt"] for cell in row} == {label["head"]}
        assert {cell["seed"] for cell in row} == {2}
        assert all(cell["overlay"] == cell["scores"]["clip-score"] for cell in row)


def test_every_prompt_is_on_one_page_and_no_page_is_too_full(index: ReportsIndex) -> None:
    found = subjects(index, index.entries())
    layout = Layout()
    seen: list[str] = []
    for page in range(1, pages(layout, found) + 1):
        sheet = grid(index, found, turned(layout, page))
        cells = [cell for row in sheet["panels"][0]["rows"] for cell in row]
        assert len(cells) <= CELLS
        seen += [label["head"] for label in sheet["rows"]]
    assert seen == list(found.prompts)


def test_stacking_gives_a_grid_of_grids(index: ReportsIndex) -> None:
    found = subjects(index, index.entries()[:2])
    layout, seen = Layout("recipe", "seed", stacked=True), []
    for page in range(1, pages(layout, found) + 1):
        panels = grid(index, found, turned(layout, page))["panels"]
        assert sum(len(row) for panel in panels for row in panel["rows"]) <= CELLS
        assert all(len(panel["rows"]) == 2 for panel in panels)
        seen += [panel["title"]["head"] for panel in panels]
    assert seen == list(found.prompts)


def test_words_choose_prompts_by_id_or_text(index: ReportsIndex) -> None:
    entries = index.entries()[:1]
    assert subjects(index, entries, "TWINTAILS blonde").prompts
    assert subjects(index, entries, "t01").prompts == ("t01",)
    assert subjects(index, entries, "no such words").prompts == ()


def test_the_same_axis_twice_is_refused(index: ReportsIndex) -> None:
    with pytest.raises(UsageError, match="cannot go both"):
        grid(index, subjects(index, index.entries()), Layout("prompt", "prompt"))


def test_a_picture_that_is_not_there_says_why(index: ReportsIndex) -> None:
    entry = index.entries()[0]
    found = subjects(index, [entry])
    assert grid(index, found, Layout())["panels"][0]["rows"][0][0]["src"].endswith(".webp")
    (index.reports / "pocket-v1/pocket-base.album.zip").unlink()
    assert subjects(index, [entry]).prompts == ()
