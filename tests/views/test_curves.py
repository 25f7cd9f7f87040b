"""Sweeps: points in order, what to take, and where copies begin."""

from __future__ import annotations

import json
import shutil

import pytest

from harness.views import curves
from harness.views.shelf import Shelf


@pytest.fixture
def swept(shelf: Shelf) -> Shelf:
    """Published results on the shelf of a sweep, as if they were its checkpoints."""
    names = {
        "step-40": "pocket-ninja-short",
        "step-300": "pocket-ninja",
        "step-1200": "pocket-ninja-overfit",
        "strength-0.5": "pocket-base",
    }
    folder = shelf.reports / "pocket-v1/sweeps/pocket-ninja"
    folder.mkdir(parents=True)
    for name, recipe in names.items():
        for suffix in (".json", ".samples.parquet", ".prompts.parquet", ".album.zip"):
            source = shelf.reports / f"pocket-v1/{recipe}{suffix}"
            shutil.copyfile(source, folder / f"{name}{suffix}")
        document = json.loads((folder / f"{name}.json").read_text()) | {"recipe": name}
        (folder / f"{name}.json").write_text(json.dumps(document))
    return shelf


def test_points_stand_in_the_order_of_their_steps(swept: Shelf) -> None:
    assert swept.sweeps() == ["pocket-ninja"]
    strength, steps = curves.sweeps(swept, "pocket-ninja")
    assert (strength.over, strength.points) == ("strength", (0.5,))
    assert (steps.over, steps.points) == ("checkpoint", (40, 300, 1200))


def test_the_advice_leaves_copies_out(swept: Shelf) -> None:
    sweep = curves.sweeps(swept, "pocket-ninja")[1]
    assert sweep.advice is not None
    assert sweep.advice.at == 300
    assert curves.overfit(sweep) == [1200]
    rows = curves.rows(sweep)
    assert {row["at"] for row in rows if row["taken"]} == {300}
    assert {row["at"] for row in rows if row["flagged"]} == {1200}
    assert curves.metrics_of(sweep)[0] == "kid"


def test_a_broken_point_is_left_out(swept: Shelf) -> None:
    (swept.reports / "pocket-v1/sweeps/pocket-ninja/step-40.json").write_text("{")
    assert curves.sweeps(swept, "pocket-ninja")[1].points == (300, 1200)
    assert curves.sweeps(swept, "nothing") == []


def test_sweeps_are_no_rows_of_the_leaderboard(swept: Shelf) -> None:
    assert len(swept.held()) == 5
