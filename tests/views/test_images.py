"""Images as rows: sorted, filtered, and the odd ones out."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.views.images import DRAWN, Filter, cells, filtered, frame, metrics_of, odd
from harness.views.reports_index import ReportsIndex


def test_there_is_a_row_an_image_with_every_value(index: ReportsIndex) -> None:
    entries = index.entries()[:2]
    rows = frame(index, entries)
    drawn = [shot for each in entries for shot in index.shots(each) if shot.side in DRAWN]
    assert len(rows) == len(drawn)
    first = rows[(rows["recipe"] == "pocket-base") & (rows["prompt"] == "t01")].iloc[0]
    values = index.samples(entries[0]).of("t01", int(first["seed"]))
    assert first["clip-score"] == values["clip-score"]
    assert "twintails" in first["text"]


def test_rows_come_in_the_order_and_of_the_prompts_that_are_wanted(index: ReportsIndex) -> None:
    rows = frame(index, index.entries()[:2])
    found = filtered(rows, Filter(words="ninja", sort="aesthetic", falling=True))
    assert set(found["recipe"]) == {"pocket-ninja"}
    assert found["aesthetic"].is_monotonic_decreasing
    only = filtered(rows, Filter(prompts=frozenset(["t01"]), sort="aesthetic"))
    assert set(only["prompt"]) == {"t01"}
    high = filtered(rows, Filter(sort="aesthetic", least=0.5, most=0.9))
    assert high["aesthetic"].between(0.5, 0.9).all()
    assert filtered(pd.DataFrame(), Filter()).empty


def test_words_are_no_pattern(index: ReportsIndex) -> None:
    assert filtered(frame(index, index.entries()[:1]), Filter(words=".*(")).empty


def test_an_image_far_from_the_others_in_any_metric_is_odd() -> None:
    values = np.linspace(0, 1, 41)
    rows = pd.DataFrame(
        {
            "result": 0,
            "recipe": "a",
            "prompt": "p",
            "seed": range(41),
            "text": "",
            "one": values,
            "two": 1.0,
        }
    )
    assert not odd(rows).any()
    rows.loc[3, "one"] = 9.0
    assert np.flatnonzero(odd(rows)).tolist() == [3]
    assert metrics_of(rows) == ["one", "two"]


def test_cards_show_the_rows_in_their_order(index: ReportsIndex) -> None:
    entries = index.entries()[:2]
    rows = filtered(frame(index, entries), Filter(sort="aesthetic")).head(7)
    found = cells(index, entries, rows, "aesthetic")
    assert [cell["prompt"] for cell in found] == rows["prompt"].tolist()
    assert all(cell["src"] and cell["overlay"] for cell in found)
