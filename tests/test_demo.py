"""The pocket world proves the harness: good beats short beats base, and broken is broken.

Here recipes stop half way or before, and a third of the images is drawn. With HARNESS_DEMO=. the
same tests look at what `make demo` made of the pages as they ship; the `demo` job of CI does so.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from demo import write_shorter_pages
from running import Command, Ran

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the demo: a new one with smaller pages, or that of HARNESS_DEMO."""
    if "HARNESS_DEMO" in os.environ:
        return Path(os.environ["HARNESS_DEMO"]).resolve()
    folder = tmp_path_factory.mktemp("demo")
    write_shorter_pages(folder)
    return folder


def demo(command: Command, place: Path) -> Ran:
    ran = command("demo", "--json", cwd=place)
    assert ran.code == 0, ran.err
    return ran


@pytest.fixture(scope="module")
def rows(place: Path, command: Command) -> dict[str, Any]:
    return {row["recipe"]: row for row in demo(command, place).json["rows"]}


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


def test_what_copies_and_what_is_broken_is_flagged_and_nothing_else(rows: dict[str, Any]) -> None:
    flagged = {name: row["flags"] for name, row in rows.items() if row["flags"]}
    assert flagged == {
        "pocket-ninja-overfit": ["copies training pictures"],
        "pocket-ninja-broken": ["draws broken pictures"],
    }
    sound = [row["rank_low"] for name, row in rows.items() if name not in flagged]
    assert max(sound) < min(rows[name]["rank_low"] for name in flagged)


def test_the_page_shows_all_recipes_with_their_images(rows: dict[str, Any], place: Path) -> None:
    text = (place / ".harness/leaderboard.html").read_text()
    assert len(rows) == 5
    assert all(name in text for name in rows)
    assert re.findall(r">What (\S+) copied", text) == ["pocket-ninja-overfit"]
    assert text.count("data:image/webp;base64,") == 5 * 32 + 8, "and what was copied"
    assert 'http-equiv="refresh"' not in text, "all is there"


def test_a_second_demo_makes_nothing(rows: dict[str, Any], place: Path, command: Command) -> None:
    def made() -> dict[Path, int]:
        found = (place / ".harness/store").rglob("manifest.json")
        return {file: file.stat().st_mtime_ns for file in found}

    before = made()
    ran = demo(command, place)
    assert len(before) > 20
    assert made() == before
    assert "· train" not in ran.err
    assert not (place / "reports").exists() or "HARNESS_DEMO" in os.environ
    assert json.loads((place / ".harness/reports/pocket-v1/pocket-ninja.json").read_text())[
        "recipe"
    ]
