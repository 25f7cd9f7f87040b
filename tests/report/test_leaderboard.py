"""A board in every form: the terminal's table, JSON, CSV, Markdown and the page."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

import harness
from harness.decisions.leaderboard import Board, boards
from harness.pipeline.results.file import ResultFile
from harness.pipeline.results.read import read_result, result_paths
from harness.records import PseudoValues, Result
from harness.report.leaderboard import as_csv, as_markdown, board_document, print_boards
from harness.report.page import html
from harness.report.terminal import Terminal

REPORTS = Path(__file__).parents[2] / "reports"
ORDER = ["pocket-ninja", "pocket-ninja-short", "bare base", "pocket-ninja-broken"]


def pseudo_values(one: Result) -> PseudoValues:
    return ResultFile(REPORTS / one.benchmark / f"{one.recipe}.json").pseudo_values()


@pytest.fixture
def board() -> Board:
    """The published board without the base's own result, so that the base has its row."""
    results = [read_result(file) for file in result_paths(REPORTS, "pocket-v1")]
    honest = [
        each for each in results if each.recipe not in ("pocket-base", "pocket-ninja-overfit")
    ]
    return boards(honest, pseudo_values)[0]


def text_of(board: Board) -> str:
    console = Terminal(file=io.StringIO(), width=140)
    print_boards([board], console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def in_order(text: str) -> list[str]:
    """Return the rows' names as they follow each other in a text."""
    return sorted(ORDER, key=lambda name: text.index(f"{name} "))


def test_the_base_is_a_line_of_the_terminal_table_without_a_rank(board: Board) -> None:
    line = next(line for line in text_of(board).splitlines() if "bare base" in line)
    assert in_order(text_of(board)) == ORDER
    assert line.split()[1] == "–"


def test_the_base_is_beside_the_rows_of_the_document_and_not_among_them(board: Board) -> None:
    document = json.loads(json.dumps(board_document(board), allow_nan=False))
    assert [row["recipe"] for row in document["rows"]] == [
        each for each in ORDER if each != ORDER[2]
    ]
    assert document["base"]["model"] == "pocket/sdxl"
    assert document["base"]["rows_above"] == 2
    assert document["base"]["scores"]["kid"]["value"] == pytest.approx(66.50343761587673)


def test_a_document_without_a_base_says_so() -> None:
    whole = boards([read_result(file) for file in result_paths(REPORTS, "pocket-v1")])[0]
    assert board_document(whole)["base"] is None


def test_the_base_is_a_line_of_the_csv_without_ranks(board: Board) -> None:
    lines = list(csv.DictReader(io.StringIO(as_csv([board]))))
    assert [line["recipe"] for line in lines] == ORDER
    base = lines[2]
    assert (base["rank_low"], base["rank_high"]) == ("", "")
    assert float(base["kid low"]) < float(base["kid"]) < float(base["kid high"])


def test_the_base_is_a_line_of_the_markdown_table(board: Board) -> None:
    lines = [line for line in as_markdown([board]).splitlines() if line.startswith("| ")][1:]
    assert [line.split(" | ")[1].split(" ⚑")[0] for line in lines] == ORDER
    assert lines[2].startswith("| – | bare base | 66.5 [64.4, 68.5] · 0% | ")


def test_the_base_is_a_row_of_the_page_with_its_interval_drawn(board: Board) -> None:
    page = html([board], lambda *_: None, lambda _: None, "title")
    row = page[page.index('<tr class="base">') :]
    row = row[: row.index("</tr>")]
    assert "pocket/sdxl" in row
    assert "unranked" in row
    assert 'aria-label="kid of bare base: 66.5 [64.4, 68.5]"' in row


def test_the_card_of_a_page_marks_what_got_worse_and_what_got_better(board: Board) -> None:
    card = next(row.result for row in board.rows if row.result.recipe == "pocket-ninja")
    page = harness.load_result(REPORTS / "pocket-v1" / f"{card.recipe}.json").page(
        harness.Workspace(Path("no-store"), REPORTS)
    )
    table = page[page.index('<table class="dense card">') :]
    rows = {
        row.split("</td>")[0].rsplit(">", 1)[-1].split()[0]: row
        for row in table[: table.index("</table>")].split("<tr>")[2:]
    }
    assert "▼ +77" in rows["kid"]
    assert 'title="blur: worse, +77.5"' in rows["kid"]
    assert "▲ +.26" in rows["density"]
    assert 'title="copies: ' in rows["kid"]
