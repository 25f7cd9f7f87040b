"""Sweeps: points in order, what to take, and where copies begin."""

from __future__ import annotations

import json
import shutil

import pytest

from harness.views import sweeps
from harness.views.reports_index import ReportsIndex


@pytest.fixture
def swept(index: ReportsIndex) -> ReportsIndex:
    """Published results in the folder of a sweep, as if they were its checkpoints."""
    names = {
        "step-40": "pocket-ninja-short",
        "step-300": "pocket-ninja",
        "step-1200": "pocket-ninja-overfit",
        "strength-0.5": "pocket-base",
    }
    folder = index.reports / "pocket-v1/sweeps/pocket-ninja"
    shutil.rmtree(folder)  # the published sweep
    folder.mkdir()
    for name, recipe in names.items():
        for suffix in (".json", ".samples.parquet", ".prompts.parquet", ".album.zip"):
            source = index.reports / f"pocket-v1/{recipe}{suffix}"
            shutil.copyfile(source, folder / f"{name}{suffix}")
        document = json.loads((folder / f"{name}.json").read_text()) | {"recipe": name}
        (folder / f"{name}.json").write_text(json.dumps(document))
    return index


def test_the_published_sweep_has_all_points_pictures_and_an_advice(index: ReportsIndex) -> None:
    (sweep,) = sweeps.sweeps_of(index, "pocket-ninja")
    assert sweep.over == "strength"
    assert sweep.points == (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)
    assert sweep.advice is not None
    assert sweep.advice.at in sweep.advice.alike
    assert sweep.advice.at >= 0.75, "less of the adapter is surely less of the style"
    assert all(len(index.shots(entry)) == 11 for entry in sweep.entries)
    full = next(entry.result for entry in sweep.entries if entry.recipe == "strength-1")
    published = index.find("pocket-v1/pocket-ninja").result
    assert full is not None
    assert published is not None
    assert full.signature == published.signature


def test_points_stand_in_the_order_of_their_steps(swept: ReportsIndex) -> None:
    assert swept.swept_recipes() == ["pocket-ninja"]
    strength, steps = sweeps.sweeps_of(swept, "pocket-ninja")
    assert (strength.over, strength.points) == ("strength", (0.5,))
    assert (steps.over, steps.points) == ("checkpoint", (40, 300, 1200))


def test_the_advice_leaves_copies_out(swept: ReportsIndex) -> None:
    sweep = sweeps.sweeps_of(swept, "pocket-ninja")[1]
    assert sweep.advice is not None
    assert sweep.advice.at == 300
    assert sweeps.copying_points(sweep) == [1200]
    rows = sweeps.rows(sweep)
    assert {row["at"] for row in rows if row["state"] == "base"} == {0}
    assert {row["at"] for row in rows if row["taken"]} == {300}
    assert {row["at"] for row in rows if row["flagged"]} == {1200}
    assert sweeps.metrics_of(sweep)[0] == "kid"


def test_a_page_without_a_server_is_given_the_whole_sweep(swept: ReportsIndex) -> None:
    sweep = sweeps.sweeps_of(swept, "pocket-ninja")[1]
    shown = json.loads(json.dumps(sweeps.values(sweep), allow_nan=False))
    assert shown["name"] == "pocket-ninja · checkpoint · pocket-v1"
    assert (shown["at"], shown["ends"]) == ("300", ["0", "40", "300", "1200"])
    assert [row[0] for row in shown["rows"]] == ["0 base", "40", "300 ←", "1200 ⚑"]
    assert [dot["state"] for dot in shown["curves"][0]["dots"]] == [
        "base",
        "dot",
        "take",
        "flagged",
    ]


def test_a_broken_point_is_left_out(swept: ReportsIndex) -> None:
    (swept.reports / "pocket-v1/sweeps/pocket-ninja/step-40.json").write_text("{")
    assert sweeps.sweeps_of(swept, "pocket-ninja")[1].points == (300, 1200)
    assert sweeps.sweeps_of(swept, "nothing") == []


def test_sweeps_are_no_rows_of_the_leaderboard(swept: ReportsIndex) -> None:
    assert len(swept.entries()) == 5
