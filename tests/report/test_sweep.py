"""How a sweep reads: as a table, as Markdown, as a document and as a page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.decisions.stopping import advise
from harness.decisions.sweep import Point
from harness.pipeline.results.file import ResultFile
from harness.report.sweep import (
    curves_of,
    print_sweep,
    sweep_document,
    sweep_markdown,
    sweep_page,
)
from harness.report.terminal import printed

REPORTS = Path(__file__).parents[2] / "reports" / "pocket-v1"
STEPS = {40: "pocket-ninja-short", 300: "pocket-ninja", 1200: "pocket-ninja-overfit"}


@pytest.fixture(scope="module")
def points() -> list[Point]:
    """Published results, as if they were checkpoints of one training."""
    files = {at: ResultFile(REPORTS / f"{name}.json") for at, name in STEPS.items()}
    return [Point.of(at, file.result, file.pseudo_values()) for at, file in files.items()]


@pytest.fixture(scope="module")
def blind(points: list[Point]) -> list[Point]:
    """The same, where the first metric may not judge."""
    metric = points[0].result.scores[0].metric
    return [
        Point(
            each.at,
            each.result.model_copy(
                update={
                    "scores": tuple(
                        score.model_copy(update={"licence": "blind to <smears>"})
                        if score.metric == metric
                        else score
                        for score in each.result.scores
                    )
                }
            ),
            each.prompts,
            each.base,
        )
        for each in points
    ]


def test_a_table_begins_with_the_bare_base_and_marks_what_is_advised(points: list[Point]) -> None:
    text = printed(lambda out: print_sweep("ninja", "step", points, advise(points), out), 200)
    lines = [line for line in text.splitlines() if line.startswith("│")]
    assert [line.split("│")[1].split() for line in lines] == [
        ["0", "base"],
        ["40"],
        ["300", "←"],
        ["1200", "⚑"],
    ]
    assert "take 300: " in text


def test_markdown_holds_the_advice_and_a_row_a_point(points: list[Point]) -> None:
    text = sweep_markdown("nin|ja", "step", points, advise(points))
    assert "## nin\\|ja by step" in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert [row.split("|")[1].strip() for row in rows] == [
        "step",
        "0 base",
        "40",
        "300 ←",
        "1200 ⚑",
    ]
    assert len({row.count(" | ") for row in rows}) == 1


def test_a_document_has_the_sets_behind_the_advice_and_bands_of_all_points(
    points: list[Point],
) -> None:
    document = sweep_document("ninja", "step", points, advise(points))
    assert json.loads(json.dumps(document, allow_nan=False)) is not None
    assert document["advice"]["alike"] == [300]
    assert document["advice"]["left_out"] == [
        {"why": "copies training pictures", "points": (1200,)}
    ]
    assert document["base"]["at"] == 0
    for each in (document["base"], *document["points"]):
        score = next(one for one in each["scores"] if one["low"] is not None)
        low, high = each["bands"][score["metric"]]
        assert high - low > score["high"] - score["low"], "wider: they hold together"


def test_a_page_draws_what_may_judge_and_names_what_may_not(
    points: list[Point], blind: list[Point]
) -> None:
    metric = points[0].result.scores[0].metric
    page = sweep_page("ninja", "step", blind, advise(blind))
    assert metric not in [curve.metric for curve in curves_of(blind, advise(blind))]
    assert f"{metric} may not judge here: blind to &lt;smears&gt;" in page
    assert metric in [curve.metric for curve in curves_of(points, advise(points))]


def test_a_curve_begins_at_the_base_and_shows_what_is_advised_of_each_point(
    points: list[Point],
) -> None:
    curve = curves_of(points, advise(points))[0]
    assert [dot.state for dot in curve.dots] == ["base", "dot", "take", "flagged"]
    assert curve.dots[2].words.startswith("300 ←: ")
    assert [dot.x for dot in curve.dots] == sorted(dot.x for dot in curve.dots)
