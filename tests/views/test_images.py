"""Images as rows: sorted, filtered, and the odd ones out."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.views.images import DRAWN, Wanted, cards, chosen, frame, metrics_of, odd
from harness.views.shelf import Shelf


def test_there_is_a_row_an_image_with_every_value(shelf: Shelf) -> None:
    held = shelf.held()[:2]
    rows = frame(shelf, held)
    drawn = [shot for each in held for shot in shelf.shots(each) if shot.side in DRAWN]
    assert len(rows) == len(drawn)
    first = rows[(rows["recipe"] == "pocket-base") & (rows["prompt"] == "t01")].iloc[0]
    values = shelf.samples(held[0]).of("t01", int(first["seed"]))
    assert first["clip-score"] == values["clip-score"]
    assert "twintails" in first["text"]


def test_rows_come_in_the_order_and_of_the_prompts_that_are_wanted(shelf: Shelf) -> None:
    rows = frame(shelf, shelf.held()[:2])
    found = chosen(rows, Wanted(words="ninja", sort="aesthetic", falling=True))
    assert set(found["recipe"]) == {"pocket-ninja"}
    assert found["aesthetic"].is_monotonic_decreasing
    only = chosen(rows, Wanted(prompts=frozenset(["t01"]), sort="aesthetic"))
    assert set(only["prompt"]) == {"t01"}
    high = chosen(rows, Wanted(sort="aesthetic", least=0.5, most=0.9))
    assert high["aesthetic"].between(0.5, 0.9).all()
    assert chosen(pd.DataFrame(), Wanted()).empty


def test_words_are_no_pattern(shelf: Shelf) -> None:
    assert chosen(frame(shelf, shelf.held()[:1]), Wanted(words=".*(")).empty


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


def test_cards_show_the_rows_in_their_order(shelf: Shelf) -> None:
    held = shelf.held()[:2]
    rows = chosen(frame(shelf, held), Wanted(sort="aesthetic")).head(7)
    found = cards(shelf, held, rows, "aesthetic")
    assert [cell["prompt"] for cell in found] == rows["prompt"].tolist()
    assert all(cell["src"] and cell["overlay"] for cell in found)
