"""The pocket world proves the harness: good beats short beats base, and broken is broken."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from running import Command

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def rows(place: Path, command: Command) -> dict[str, Any]:
    ran = command(
        "demo",
        "--store",
        place / "store",
        "--reports",
        place / "reports",
        "--html",
        place / "board.html",
        "--json",
    )
    assert ran.code == 0, ran.err
    return {row["recipe"]: row for row in ran.json["rows"]}


def test_the_good_recipe_beats_the_short_one_beats_the_base(rows: dict[str, Any]) -> None:
    kid = {name: row["scores"]["kid"] for name, row in rows.items()}
    assert kid["pocket-ninja"]["value"] < kid["pocket-ninja-short"]["value"]
    assert kid["pocket-ninja-short"]["value"] < kid["pocket-base"]["value"]
    assert kid["pocket-ninja"]["high"] < kid["pocket-base"]["low"]
    assert rows["pocket-ninja"]["rank_high"] < rows["pocket-base"]["rank_low"]


def test_the_good_recipe_comes_three_times_nearer_than_the_base(rows: dict[str, Any]) -> None:
    kid = {name: row["scores"]["kid"]["value"] for name, row in rows.items()}
    assert kid["pocket-ninja"] <= kid["pocket-base"] / 3


def test_the_broken_recipe_is_last_on_aesthetic(rows: dict[str, Any]) -> None:
    aesthetic = {name: row["scores"]["aesthetic"]["value"] for name, row in rows.items()}
    assert min(aesthetic, key=lambda name: aesthetic[name]) == "pocket-ninja-broken"


def test_the_memorized_recipe_is_flagged_and_no_other(rows: dict[str, Any]) -> None:
    flagged = {name: row["flags"] for name, row in rows.items() if row["flags"]}
    assert flagged == {"pocket-ninja-overfit": ["copies training pictures"]}
    assert max(row["rank_low"] for row in rows.values()) == rows["pocket-ninja-overfit"]["rank_low"]


def test_the_page_shows_all_recipes_with_their_images(rows: dict[str, Any], place: Path) -> None:
    text = (place / "board.html").read_text()
    assert len(rows) == 5
    assert all(name in text for name in rows)
    assert re.findall(r">What (\S+) copied", text) == ["pocket-ninja-overfit"]
    assert text.count("data:image/webp;base64,") == 5 * 32 + 8, "and what was copied"


def test_a_second_demo_makes_nothing(rows: dict[str, Any], place: Path, command: Command) -> None:
    before = {file: file.stat().st_mtime_ns for file in (place / "store").rglob("manifest.json")}
    ran = command(
        "demo",
        "--store",
        place / "store",
        "--reports",
        place / "reports",
        "--html",
        place / "board.html",
    )
    assert ran.code == 0
    assert before == {
        file: file.stat().st_mtime_ns for file in (place / "store").rglob("manifest.json")
    }
    assert "· train" not in ran.err
    assert json.loads((place / "reports/pocket-v1/pocket-ninja.json").read_text())["recipe"]
