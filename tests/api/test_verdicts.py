"""Decisions as a user asks for them: which result is better, by name or by file."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from running import ROOT, Command, House

from harness.api.decide import commit_here

pytestmark = pytest.mark.slow


def test_two_results_are_compared_by_their_recipes_names(house: House, command: Command) -> None:
    ran = command(
        "compare",
        "tiny",
        "pocket-base",
        "--store",
        house.store,
        "--reports",
        house.reports,
        "--draws",
        "19",
        "--json",
    )
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
        "compare",
        "tiny",
        "pocket-base",
        "--store",
        house.store,
        "--reports",
        house.reports,
        "--draws",
        "0",
        "--markdown",
    )
    assert "| **kid ↓** |" in ran.out
    assert "this holds for these files" in ran.out


@pytest.fixture(scope="module")
def accepted(house: House, command: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of reports in which the tiny recipe is its own baseline."""
    reports = tmp_path_factory.mktemp("accepted") / "reports"
    ran = command(
        "gate",
        "tiny",
        "--accept",
        "--benchmark",
        "tiny-v1",
        "--store",
        house.store,
        "--reports",
        reports,
        "--json",
    )
    assert ran.code == 0, ran.err
    assert ran.json["baseline"] == str(reports / "baselines" / "tiny-v1" / "tiny.json")
    return reports


def gated(
    command: Command, house: House, reports: Path, recipe: str, *more: object
) -> tuple[int, dict[str, Any], str]:
    baseline = reports / "baselines" / "tiny-v1" / "tiny.json"
    ran = command(
        "gate",
        recipe,
        "--baseline",
        baseline,
        "--store",
        house.store,
        "--reports",
        reports,
        "--json",
        *more,
    )
    return ran.code, ran.json if ran.out else {}, ran.err


def test_a_result_without_its_tables_is_accepted_nowhere(
    house: House, command: Command, tmp_path: Path
) -> None:
    alone = tmp_path / "mine/tiny.json"
    alone.parent.mkdir()
    alone.write_bytes((house.reports / "tiny-v1/tiny.json").read_bytes())
    refused = command("gate", alone, "--accept", "--reports", tmp_path / "reports")
    assert refused.code == 2
    assert "tiny.samples.parquet and tiny.prompts.parquet" in refused.err
    assert not (tmp_path / "reports").exists()


def test_a_result_that_is_not_there_is_told_as_that(
    house: House, command: Command, tmp_path: Path
) -> None:
    lost = tmp_path / "lost.json"
    for words in (("--accept",), ("--baseline", house.reports / "tiny-v1/tiny.json")):
        refused = command("gate", lost, *words, "--reports", tmp_path / "reports")
        assert refused.code == 2
        assert f"there is no file {lost}" in refused.err.replace("\n", "")


def test_what_did_not_change_passes(house: House, command: Command, accepted: Path) -> None:
    code, found, _ = gated(command, house, accepted, "tiny")
    assert (code, found["verdict"]) == (0, "pass")
    assert found["advisory"], "nobody has measured its noise"


def test_what_is_out_of_bounds_fails_in_every_form(
    house: House, command: Command, accepted: Path, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "schema_version: 1\nname: strict\nsummary: x\nmetrics: [{metric: kid, most: -1000}]\n"
    )
    xml, summary, page = (tmp_path / name for name in ("g.xml", "g.md", "g.html"))
    code, found, _ = gated(
        command,
        house,
        accepted,
        "pocket-base",
        "--policy",
        policy,
        "--junit",
        xml,
        "--summary",
        summary,
        "--html",
        page,
    )
    assert (code, found["verdict"], found["exit_code"]) == (3, "fail", 3)
    assert ElementTree.parse(xml).getroot().get("failures") == "1"
    assert "kid is not at most" in summary.read_text()
    assert "pocket-base" in page.read_text()
    assert command("check", policy).code == 0


def test_too_little_evidence_has_a_code_of_its_own_and_says_what_it_would_take(
    house: House, command: Command, accepted: Path, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "schema_version: 1\nname: fine\nsummary: x\n"
        "metrics: [{metric: clip-score, margin: 0.0001}]\n"
    )
    code, found, _ = gated(command, house, accepted, "pocket-base", "--policy", policy)
    assert (code, found["verdict"]) == (4, "under-powered")
    check = next(each for each in found["checks"] if each["metric"] == "clip-score")
    assert "prompts" in check["sentence"]


def test_history_tells_what_was_accepted_and_gated(
    house: House, command: Command, accepted: Path
) -> None:
    gated(command, house, accepted, "tiny")
    found = command("history", "tiny", "--benchmark", "tiny-v1", "--reports", accepted, "--json")
    assert [each["outcome"] for each in found.json["events"]][:2] == ["accepted", "pass"]
    assert found.json["steps"] == []


def test_an_event_names_the_commit_and_whether_there_was_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert commit_here() is None

    def git(*words: str) -> None:
        names = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", *names, *words], check=True, capture_output=True)

    git("init")
    (tmp_path / "page.yaml").write_text("a")
    git("add", ".")
    git("commit", "-m", "one")
    assert re.fullmatch(r"[0-9a-f]{12}", commit_here() or "")
    (tmp_path / "page.yaml").write_text("b")
    assert (commit_here() or "").endswith("-dirty")


def test_no_program_that_a_repository_names_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monitor = tmp_path / "monitor.sh"
    monitor.write_text(f"#!/bin/sh\ntouch {tmp_path}/was-run\n")
    monitor.chmod(0o755)
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    for words in (["init"], ["add", "."], [*who, "commit", "-m", "x"]):
        subprocess.run(["git", *words], check=True, capture_output=True)
    subprocess.run(["git", "config", "core.fsmonitor", str(monitor)], check=True)
    assert commit_here()
    assert not (tmp_path / "was-run").exists()


def test_a_result_made_again_from_nothing_is_identical(
    house: House, command: Command, tmp_path: Path
) -> None:
    result = house.reports / "tiny-v1" / "tiny.json"
    ran = command("reproduce", result, "--store", tmp_path / "store", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["same_keys"]
    assert {each["verdict"] for each in ran.json["metrics"]} == {"identical"}


def test_noise_is_measured_on_draws_and_trainings_and_kept_beside_the_baseline(
    house: House, command: Command, accepted: Path
) -> None:
    ran = command(
        "calibrate",
        "tiny-v1",
        "--recipe",
        "tiny",
        "--draws",
        "2",
        "--trainings",
        "2",
        "--store",
        house.store,
        "--reports",
        accepted,
        "--json",
    )
    assert ran.code == 0, ran.err
    assert Path(ran.json["path"]) == accepted / "baselines" / "tiny-v1" / "tiny.noise.json"
    kid = ran.json["noise"]["metrics"]["kid"]
    assert kid["sampling"]["runs"] == kid["retrained"]["runs"] == 2
    assert kid["sampling"]["difference"] > 0
    assert ran.json["alarms"]["draws"]["pairs"] == 2, "one pair, each way round"
    code, found, _ = gated(command, house, accepted, "tiny")
    assert (code, found["claim"]) == (0, "recipe")
    sources = {each["source"] for each in found["checks"] if each["metric"]}
    assert sources == {"noise"}
    assert "it takes 8 null pairs" in " ".join(found["advisory"])
    leftovers = command("gc", "--dry-run", "--store", house.store, "--reports", accepted, "--json")
    assert leftovers.code == 0, "noise is no result, and calibration's runs are"


def test_a_gate_from_the_command_line_takes_no_absence_for_a_pass(
    command: Command, tmp_path: Path
) -> None:
    """On a shipped result whose kid is taken out, and whose tables stay."""
    for file in (ROOT / "reports" / "pocket-v1").glob("pocket-ninja.*"):
        shutil.copy(file, tmp_path)
    whole, file = tmp_path / "pocket-ninja.json", tmp_path / "lacking.json"
    for table in tmp_path.glob("pocket-ninja.*.parquet"):
        shutil.copy(table, tmp_path / table.name.replace("pocket-ninja", "lacking"))
    document = json.loads(whole.read_text())
    gone = {"value": None, "low": None, "high": None, "base": None, "reason": "no network"}
    document["scores"][0] |= gone
    assert document["scores"][0]["metric"] == "kid"
    file.write_text(json.dumps(document))
    words = ("gate", file, "--baseline", whole, "--store", tmp_path, "--reports", tmp_path)
    ran = command(*words, "--json")
    assert ran.code == 4, ran.err
    verdicts = {each["name"]: each["verdict"] for each in ran.json["checks"]}
    assert verdicts["kid can be compared"] == "under-powered"
    borne = command(*words, "--allow-missing", "kid", "--summary", tmp_path / "s.md", "--json")
    assert borne.code == 0, borne.err
    assert borne.json["allowed_missing"] == ["kid (candidate: no network)"]
    assert "allowed to be missing" in (tmp_path / "s.md").read_text()
    assert command(*words, "--allow-missing", "kld").code == 2


def test_nothing_is_neither_a_baseline_nor_noise(command: Command, tmp_path: Path) -> None:
    shipped = ROOT / "reports" / "pocket-v1" / "pocket-ninja.json"
    document = json.loads(shipped.read_text())
    gone = {"value": None, "low": None, "high": None, "base": None, "flag": None}
    document["scores"] = [{**score, **gone, "reason": "no network"} for score in document["scores"]]
    (tmp_path / "nothing.json").write_text(json.dumps(document))
    place = ("--store", tmp_path / "store", "--reports", tmp_path)
    ran = command("gate", tmp_path / "nothing.json", "--accept", *place)
    assert ran.code == 1
    assert "has no value that later results could be held to (the first reason: no netw" in ran.err
    assert not (tmp_path / "baselines").exists()
    few = ("--draws", "1", "--trainings", "1")
    ran = command("calibrate", "tiny-v1", "--recipe", "tiny", *few, *place)
    assert (ran.code, "noise takes 2 runs of a kind" in ran.err) == (2, True)
