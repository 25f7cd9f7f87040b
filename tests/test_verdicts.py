"""Decisions as a user asks for them: which result is better, by name or by file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from running import Command, House

pytestmark = pytest.mark.slow


def test_two_results_are_compared_by_their_recipes_names(house: House, command: Command) -> None:
    ran = command(
        "compare", "tiny", "pocket-base", "--store", house.store, "--reports", house.reports,
        "--draws", "19", "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    found = ran.json
    assert (found["a"], found["b"]) == ("tiny", "pocket-base")
    assert found["verdict"] in ("better", "worse", "no-difference", "under-powered")
    results = [
        json.loads((house.reports / "tiny-v1" / f"{name}.json").read_text())
        for name in ("tiny", "pocket-base")
    ]
    for finding, one, other in zip(
        found["metrics"], *(each["scores"] for each in results), strict=True
    ):
        assert finding["metric"] == one["metric"]
        assert finding["delta"] == pytest.approx(one["value"] - other["value"])
        assert finding["low"] <= finding["delta"] <= finding["high"]
        assert 0 < finding["p_adjusted"] <= 1
        assert finding["verdict"] in ("better", "worse", "no-difference", "under-powered")
    by_name = {each["metric"]: each for each in found["metrics"]}
    assert by_name["fid@n=36"]["method"] == "19 exchanges of images within prompts"
    assert by_name["kid"]["method"].startswith("paired t of pseudo-values")
    assert found["sentence"].startswith("tiny ")


def test_files_without_their_features_are_compared_by_pseudo_values(
    house: House, command: Command, tmp_path: Path
) -> None:
    files = [house.reports / "tiny-v1" / f"{name}.json" for name in ("tiny", "pocket-base")]
    ran = command("compare", *files, "--store", tmp_path, "--json")
    assert ran.code == 0, ran.err
    fid = next(each for each in ran.json["metrics"] if each["metric"] == "fid@n=36")
    assert fid["method"].startswith("paired t of pseudo-values")


def test_a_result_shows_no_difference_from_itself(house: House, command: Command) -> None:
    file = house.reports / "tiny-v1" / "tiny.json"
    ran = command("compare", file, file, "--store", house.store, "--json")
    assert ran.json["verdict"] == "no-difference"
    assert {each["delta"] for each in ran.json["metrics"]} == {0}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("tiny", "nobody"), "there is no result of nobody"),
        (("tiny",), "a comparison takes two results"),
        (("tiny", "pocket-base", "--margin", "kid"), "gives no size"),
        (("tiny", "pocket-base", "--metric", "beauty"), "no metric is named beauty"),
        (("none.json", "tiny"), "there is no file none.json"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    words: tuple[str, ...], says: str, house: House, command: Command
) -> None:
    ran = command("compare", *words, "--store", house.store, "--reports", house.reports)
    assert ran.code == 2
    assert says in ran.err
    assert "Traceback" not in ran.err


def test_the_table_ends_in_a_sentence(house: House, command: Command) -> None:
    ran = command(
        "compare", "tiny", "pocket-base", "--store", house.store, "--reports", house.reports,
        "--draws", "0", "--markdown",
    )  # fmt: skip
    assert "| **kid ↓** |" in ran.out
    assert "this holds for these files" in ran.out
