"""Charts say in their marks what the values say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from dashboard import charts, session
from harness.decisions.history import Event
from harness.views.memorization import Likeness


def point(name: str, x: float, y: float, front: bool) -> dict[str, Any]:
    return {
        "name": name,
        "recipe": name,
        "rank": "1",
        "thumb": None,
        "x": x,
        "xlo": x - 1,
        "xhi": x + 1,
        "y": y,
        "ylo": y - 1,
        "yhi": y + 1,
        "front": front,
    }


def data_of(chart: Any) -> list[dict[str, Any]]:
    """Return every row that a chart was given."""
    whole = chart.to_dict()
    return [row for rows in whole.get("datasets", {}).values() for row in rows]


def test_a_pareto_chart_has_whiskers_for_all_and_a_line_for_the_front() -> None:
    rows = [point("a", 1, 2, True), point("b", 2, 1, False)]
    chart = charts.pareto(rows, "kid", "clip-score", (False, True)).to_dict()
    marks = [layer["mark"]["type"] for layer in chart["layer"]]
    assert marks == ["rule", "rule", "line", "circle", "text"]
    assert chart["layer"][2]["transform"] == [{"filter": "datum.front"}]
    titles = [chart["layer"][3]["encoding"][side]["title"] for side in ("x", "y")]
    assert titles == ["kid ← better", "clip-score ↑"]


def test_many_points_are_named_only_on_the_front() -> None:
    rows = [point(f"r{number}", number, number, number == 3) for number in range(40)]
    named = charts.pareto(rows, "x", "y", (True, True)).to_dict()
    labels = named["layer"][4]["data"]["name"]
    assert [row["recipe"] for row in named["datasets"][labels]] == ["r3"]


def test_a_sweep_marks_what_to_take_and_what_copies() -> None:
    rows = [
        {
            "at": at,
            "metric": "kid",
            "value": 1.0,
            "low": 0.5,
            "high": 1.5,
            "up": False,
            "state": {2: "take", 3: "flagged"}.get(at, "dot"),
        }
        for at in (1, 2, 3)
    ]
    chart = charts.sweep([*rows, {**rows[0], "metric": "fid"}], "kid", "checkpoint")
    assert chart.to_dict()["title"] == "kid: lower is better"
    assert len(data_of(chart)) == 3


def test_a_histogram_holds_every_picture_of_both_kinds() -> None:
    likeness = Likeness("memorization", 0.9, np.array([0.8, 0.95]), np.array([0.5, 0.6, 0.7]), ())
    rows = data_of(charts.likeness(likeness, 0.9))
    assert sum(row.get("whose") == "images" for row in rows) == 2
    assert sum(str(row.get("whose", "")).startswith("held-out") for row in rows) == 3
    assert {"at": 0.9} in rows


def test_the_other_charts_are_given_what_they_draw() -> None:
    assert len(data_of(charts.losses([{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.4}]))) == 2
    assert len(data_of(charts.times([{"stage": "train", "seconds": 3.0}]))) == 1
    images = pd.DataFrame(
        {"recipe": ["a"], "prompt": ["p"], "seed": [1], "one": [0.1], "two": [0.2]}
    )
    assert data_of(charts.scatter(images, "one", "two"))[0]["y"] == 0.2
    event = Event(
        at="2026-01-01T00:00:00+00:00",
        outcome="fail",
        signature="s",
        values={"kid": (1.0, 0.5, 1.5)},
    )
    assert data_of(charts.past([event], "kid"))[0]["outcome"] == "fail"
    strength = {"recipe": "a", "votes": 12, "value": 0.6, "low": 0.4, "high": 0.8}
    assert len(data_of(charts.strengths([strength]))) == 1


@pytest.mark.parametrize(
    "words",
    [
        "[a](javascript:b)",
        "![](http://x.invalid)",
        "**b** _i_ `c`",
        "$x$ :red[y]",
        "<b>",
        "# head",
        "1. one",
        "a | b",
        "x\n\n# head",
    ],
)
def test_words_are_markdown_that_shows_exactly_them(words: str) -> None:
    escaped = session.escaped(words)
    for mark in "*_[]()`$<#|!":
        assert escaped.count(mark) == escaped.count(f"\\{mark}")
    assert "\n" not in escaped


def test_the_loss_probe_is_drawn_with_its_intervals_and_its_alarms() -> None:
    gains = [
        {"timestep": 125, "pictures": side, "value": 30.0, "low": 28.0, "high": 32.0}
        for side in ("held out", "trained on")
    ]
    assert data_of(charts.gains(gains)) == gains
    steps = [{"step": 300, "value": 0.98, "low": 0.9, "high": 1.0, "p": 0.0001, "alarm": True}]
    drawn = charts.members(steps)
    assert steps[0] in data_of(drawn)
    dots = drawn.to_dict()["layer"][2]
    assert dots["encoding"]["color"]["condition"]["test"] == "datum.alarm"
    looks = [{"step": 0, "gain": 0.0, "auc": 0.5}, {"step": 50, "gain": 9.0, "auc": 0.6}]
    assert data_of(charts.looks(looks)) == looks
