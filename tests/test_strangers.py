"""Strangers' files: every parser gives a value or words of ours, whatever the bytes are.

More by hand: `HARNESS_FUZZ=2000 pytest tests/test_strangers.py` tries as many changes of each kind,
and `python performance/odd_files.py` takes all odd files through the real commands.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from functools import cache
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from running import ROOT, harness
from strangers.parsers import PARSERS
from strangers.results import MARKUP

from harness.errors import PageError
from harness.files import is_regular
from harness.pages.yaml import read_page

EXAMPLES = int(os.environ.get("HARNESS_FUZZ", "6"))
MOST = 16
"""Odd files of each kind that the suite reads; performance/odd_files.py reads them all."""


@cache
def examples(name: str) -> list[tuple[str, bytes]]:
    """Return some of the odd files of a kind, from all over their list."""
    every = list(PARSERS[name].examples())
    return every[:: max(1, len(every) // MOST)]


@pytest.mark.parametrize("name", PARSERS)
def test_an_odd_file_ends_in_a_value_or_in_words(name: str, tmp_path: Path) -> None:
    found = [PARSERS[name].holds(tmp_path, data) for _, data in examples(name)]
    assert len(found) >= MOST
    assert name == "album" or not all(found)


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=EXAMPLES, deadline=10_000, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_file_with_changed_bytes_ends_in_a_value_or_in_words(
    name: str, data: st.DataObject
) -> None:
    start = data.draw(st.sampled_from(examples(name)))[1]
    changed = bytearray(start[:200_000])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(changed)))
        length = data.draw(st.sampled_from([0, 1, 1, 2, 4, 8, 64]))
        changed[at : at + length] = data.draw(st.binary(max_size=8))
    with tempfile.TemporaryDirectory() as folder:
        assert PARSERS[name].holds(Path(folder), bytes(changed)) in (True, False)


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Two published results."""
    folder = tmp_path / "reports" / "pocket-v1"
    folder.mkdir(parents=True)
    for name in ("pocket-ninja", "pocket-ninja-short"):
        for file in (ROOT / "reports" / "pocket-v1").glob(f"{name}.*"):
            shutil.copy(file, folder)
    return tmp_path / "reports"


def test_one_broken_result_is_named_and_the_others_are_shown_on_every_face(reports: Path) -> None:
    file = reports / "pocket-v1" / "odd.json"
    for text in ('{"recipe": "odd"}', "[" * 100_000):
        file.write_text(text)
        for words in (["leaderboard"], ["leaderboard", "--json"], ["dashboard", "--export"]):
            more = [reports.parent / "site"] if "--export" in words else []
            ran = harness(*words, *more, "--reports", reports, "--store", reports / "store")
            assert ran.code == 0, ran.err
            assert f"left out: {file}:1: is not a result file" in ran.err
            assert "Traceback" not in ran.err
    assert len(harness("leaderboard", "--json", "--reports", reports).json["rows"]) == 2


def test_a_link_to_a_result_that_is_gone_is_named_and_the_others_are_shown(reports: Path) -> None:
    (reports / "pocket-v1" / "gone.json").symlink_to("elsewhere.json")
    for words in (["leaderboard"], ["dashboard", "--export", reports.parent / "site"]):
        ran = harness(*words, "--reports", reports, "--store", reports / "store")
        assert ran.code == 0, ran.err
        assert "left out: " in ran.err
        assert "gone" in ran.err


def test_a_folder_of_broken_results_is_an_error(reports: Path) -> None:
    for file in (reports / "pocket-v1").glob("*.json"):
        file.write_text("{")
    ran = harness("leaderboard", "--reports", reports)
    assert (ran.code, "is not a result file" in ran.err) == (2, True)


def test_a_broken_table_costs_its_own_result_only(reports: Path) -> None:
    table = reports / "pocket-v1" / "pocket-ninja.prompts.parquet"
    table.write_bytes(table.read_bytes()[:900])
    ran = harness("leaderboard", "--json", "--reports", reports)
    assert ran.code == 0
    assert len(ran.json["rows"]) == 2
    assert ran.err.count("left out") == 1
    assert "cannot be read" in ran.err


def test_names_that_look_like_markup_are_shown_as_they_are(reports: Path) -> None:
    """As markup, `[/nope]` closes a tag that was never opened, and Rich gives up."""
    file = reports / "pocket-v1" / "odd.json"
    document = json.loads((reports / "pocket-v1" / "pocket-ninja.json").read_text())
    document["recipe"] = "[/nope] [bold"
    document["scores"][0]["flag"] = MARKUP.replace("\x1b", "")
    file.write_text(json.dumps(document))
    for kind in ("samples", "prompts"):
        whole = reports / "pocket-v1" / f"pocket-ninja.{kind}.parquet"
        shutil.copy(whole, file.with_suffix(f".{kind}.parquet"))
    shown = harness("leaderboard", "--reports", reports)
    assert (shown.code, "[/nope] [bold" in shown.out) == (0, True), shown.err
    good = reports / "pocket-v1" / "pocket-ninja.json"
    compared = harness("compare", file, good, "--reports", reports)
    assert (compared.code, "[/nope] [bold" in compared.out) == (0, True), compared.err


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("recipe",), "a\0b"),
        (("provenance", "efficiency"), [1]),
        (("provenance", "efficiency", "train_seconds"), "long"),
        (("provenance", "efficiency", "adapter_mb"), "1.5"),
        (("provenance", "loss"), [[1]]),
        (("scores", 0, "value"), 1e300),
        (("protocol", "base"), [[1e999]]),
        (("keys",), {"seed" + "9" * 5000 + "/train": "0" * 64}),
    ],
)
def test_what_no_reader_can_use_is_refused_where_a_result_is_read(
    place: tuple[str | int, ...], value: object, reports: Path
) -> None:
    file = reports / "pocket-v1" / "pocket-ninja.json"
    document = json.loads(file.read_text())
    part = document
    for each in place[:-1]:
        part = part[each]
    part[place[-1]] = value
    file.write_text(json.dumps(document))
    ran = harness("report", file, "--reports", reports)
    assert (ran.code, "is not a result file" in ran.err) == (2, True), ran.err


def test_a_page_of_very_many_fields_is_refused_before_they_are_all_read(tmp_path: Path) -> None:
    page = tmp_path / "odd.yaml"
    page.write_text("".join(f"f{number}: 1\n" for number in range(11_000)))
    with pytest.raises(PageError, match="is beyond the 20,000 parts that a page may have"):
        read_page(page)


@pytest.mark.parametrize("costs", [None, {"train_seconds": None, "adapter_mb": None}])
def test_costs_that_are_not_known_are_a_dash(costs: object, reports: Path) -> None:
    file = reports / "pocket-v1" / "pocket-ninja.json"
    document = json.loads(file.read_text())
    document["provenance"]["efficiency"] = costs
    file.write_text(json.dumps(document))
    page = reports.parent / "board.html"
    ran = harness("leaderboard", "--html", page, "--reports", reports, "--store", reports / "store")
    assert ran.code == 0, ran.err
    assert "What it cost" in page.read_text()


def test_no_name_of_a_file_is_an_error() -> None:
    for name in ("n" * 5000, "a\0b", "", "/dev/null", "/"):
        assert not is_regular(Path(name))
    assert is_regular(Path(__file__))
    assert len(list(islice(PARSERS["album"].examples(), 20))) == 20
