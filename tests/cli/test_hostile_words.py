"""A result whose every word is hostile: what each command prints of it is only words."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from pathlib import Path

import pytest
from running import ROOT, Command

ESCAPE = "\x1b]0;owned\x07\x9b31m\u202e"
WORDS = f"{ESCAPE}|`<img src=x>`\n::error::[/nope]"
FORMULA = "＝HYPERLINK(1)"
NAME = f"{FORMULA}owned|`<img src=x>`::error::[/nope]"
"""A result whose name had signs for the terminal would not be read at all."""


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Two results of one signature; one of them is a stranger's."""
    folder = tmp_path / "reports"
    (folder / "pocket-v1").mkdir(parents=True)
    for name in ("pocket-ninja", "pocket-ninja-short"):
        for file in (ROOT / "reports/pocket-v1").glob(f"{name}.*"):
            shutil.copy(file, folder / "pocket-v1")
    file = folder / "pocket-v1/pocket-ninja-short.json"
    document = json.loads(file.read_text())
    document |= {"recipe": NAME, "summary": WORDS}
    document["images"]["named"] = [WORDS]
    for score in document["scores"]:
        score["flag"] = WORDS
    last = document["scores"][-1]
    last |= {"metric": f"{FORMULA}{WORDS}", "family": "odd"}
    document["scores"].append(
        last
        | {"metric": f"other{WORDS}", "value": None, "low": None, "high": None, "reason": WORDS}
    )
    file.write_text(json.dumps(document))
    return folder


FILES = ("pocket-v1/pocket-ninja.json", "pocket-v1/pocket-ninja-short.json")


@pytest.mark.parametrize(
    "words",
    [
        ("report", FILES[1]),
        ("report", FILES[1], "--json"),
        ("leaderboard",),
        ("leaderboard", "--all"),
        ("leaderboard", "--json"),
        ("leaderboard", "--csv"),
        ("leaderboard", "--markdown", "--all"),
        ("compare", *FILES),
        ("compare", *FILES, "--markdown"),
        ("compare", *FILES, FILES[1], "--markdown"),
        ("compare", *FILES, "--json"),
    ],
)
def test_what_is_printed_is_only_words(
    words: tuple[str, ...], command: Command, reports: Path
) -> None:
    asked = [reports / word if word in FILES else word for word in words]
    ran = command(*asked, "--reports", reports)
    assert ran.code == 0, ran.err
    assert "owned" in ran.out
    for text in (ran.out, ran.err):
        assert not re.search(r"[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
        assert "\n::error" not in text


def test_no_cell_of_the_csv_is_a_formula(command: Command, reports: Path) -> None:
    ran = command("leaderboard", "--csv", "--reports", reports)
    cells = [cell for line in csv.reader(io.StringIO(ran.out)) for cell in line]
    assert sum(FORMULA in cell for cell in cells) == 4  # the recipe and a metric with its ends
    assert not [cell for cell in cells if cell[:1] in tuple("=＝+@\t\r")]


@pytest.mark.parametrize(
    "words", [("leaderboard", "--markdown", "--all"), ("compare", *FILES, "--markdown")]
)
def test_no_table_of_markdown_is_broken(
    words: tuple[str, ...], command: Command, reports: Path
) -> None:
    asked = [reports / word if word in FILES else word for word in words]
    text = command(*asked, "--reports", reports).out
    rows = [line.replace("\\|", "") for line in text.splitlines() if line.startswith("|")]
    assert len(rows) > 3
    assert len({row.count("|") for row in rows}) == 1
    assert "<img" not in text
    assert not re.search(r"(?<!\\)`<|(?<!\\)`&lt;", text)
