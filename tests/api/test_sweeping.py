"""Checkpoints that are judged by themselves after a run, where the recipe's page asks for that."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from running import FIXTURES, Command, Ran

import harness
from harness.errors import PageError
from harness.pages.recipe import load
from harness.pipeline.request import requested
from harness.pipeline.results.file import ResultFile
from harness.pipeline.stages.files import digests

RECIPE = """
schema_version: 1
name: halves
summary: Two checkpoints of eight steps.
base: {model: pocket/sdxl}
data: {source: {use: pocket, set: ninja, count: 16}}
train:
  method: lora
  adapter: {rank: 2}
  resolution: 64
  batch: 2
  optimizer: {use: adamw}
  phases: [{steps: 8, rate: 1.0e-3}]
  checkpoint_every: 4
"""
BENCHMARK = """
schema_version: 1
name: short-v1
summary: One metric, beside the base.
suites: [tiny]
seeds: [1]
licences: false
base: true
sampler: {scheduler: euler, steps: 2, guidance: 1.0, width: 64, height: 64}
reference: {source: {use: pocket, set: ninja, first: 100000, count: 20}, resolution: 64}
metrics: [{use: kid, features: {use: classifier, model: pocket/inception}}]
"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    (folder / "halves.yaml").write_text(RECIPE)
    (folder / "judged.yaml").write_text(
        RECIPE.replace("name: halves", "name: judged\njudge: checkpoints")
    )
    (folder / "short-v1.yaml").write_text(BENCHMARK)
    return folder


RACED = RECIPE.replace("name: halves", "name: raced").replace("every: 4", "every: 2")
"""Four checkpoints."""


def run(command: Command, pages: Path, *words: object) -> Ran:
    place = ("--store", pages / "store", "--reports", pages / "reports", "--json")
    return command(*words, "--benchmark", pages / "short-v1.yaml", *place)


def test_what_is_judged_is_in_no_key(pages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FIXTURES)
    names, benchmark = ("halves", "judged"), pages / "short-v1.yaml"
    plain, judged = (requested(pages / f"{name}.yaml", benchmark).plan() for name in names)
    assert plain.keys() == judged.keys()
    assert plain.signature == judged.signature


def test_checkpoints_that_are_not_kept_cannot_be_judged(pages: Path) -> None:
    file = pages / "none.yaml"
    text = (pages / "judged.yaml").read_text().replace("name: judged", "name: none")
    file.write_text(text.replace("  checkpoint_every: 4\n", ""))
    with pytest.raises(PageError, match=r"judge.*give train\.checkpoint_every") as caught:
        load(file)
    assert caught.value.problems[0].line == 4


@pytest.mark.slow
def test_each_checkpoint_is_judged_by_itself_and_the_second_run_makes_nothing(
    pages: Path, command: Command
) -> None:
    planned = run(command, pages, "plan", pages / "judged.yaml")
    assert planned.json["checkpoint_steps"] >= 3, "its drawing, its features and its score"
    first = run(command, pages, "run", pages / "judged.yaml")
    assert first.code == 0, first.err
    (document,) = first.json["results"]
    assert [each["at"] for each in document["sweep"]["points"]] == [4, 8]
    assert document["sweep"]["base"]["at"] == 0
    assert "kid" in document["sweep"]["advice"]["reason"]
    again = run(command, pages, "run", pages / "judged.yaml").json["results"][0]
    assert again["made"] == []
    assert again["sweep"] == document["sweep"]
    assert "checkpoint_steps" not in run(command, pages, "plan", pages / "judged.yaml").json
    swept = run(command, pages, "sweep", pages / "judged.yaml", "--over", "checkpoint")
    assert swept.json == document["sweep"], "as a sweep judges them"
    plain = run(command, pages, "run", pages / "halves.yaml").json["results"][0]
    assert "sweep" not in plain
    assert plain["made"] == []


@pytest.mark.slow
def test_a_run_shows_where_to_stop(pages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FIXTURES)
    workspace = harness.Workspace(pages / "store", pages / "reports", quiet=True)
    found = harness.run(
        pages / "judged.yaml", benchmark=pages / "short-v1.yaml", workspace=workspace
    )
    assert found.sweep is not None
    assert "judged · by checkpoint" in str(found)
    assert str(found.sweep.advice)[:30] in str(found)


@pytest.fixture(scope="module")
def two_seeds(pages: Path) -> Path:
    file = pages / "two-v1.yaml"
    text = BENCHMARK.replace("name: short-v1", "name: two-v1").replace(
        "seeds: [1]", "seeds: [1, 2]"
    )
    file.write_text(text)
    (pages / "raced.yaml").write_text(RACED)
    return file


@pytest.mark.slow
def test_a_race_takes_images_over_and_makes_nothing_the_second_time(
    pages: Path, two_seeds: Path, command: Command
) -> None:
    place = ("--store", pages / "store", "--reports", pages / "reports", "--json")
    words = ("sweep", pages / "raced.yaml", "--over", "checkpoint", "--benchmark", two_seeds)
    raced = command(*words, "--race", *place)
    assert raced.code == 0, raced.err
    found = raced.json["raced"]
    assert (found["metric"], found["of"]) == ("kid", 4 * 9 * 2)
    survivor = max({each["at"] for each in raced.json["points"]} - {*found["stopped"]})
    file = ResultFile(pages / f"reports/two-v1/sweeps/raced/step-{survivor}.json")
    looks, whole = (folder_of(pages, file.result.keys[name]) for name in ("look2", "sample"))
    manifest = json.loads((whole / "manifest.json").read_text())
    assert manifest["provenance"]["taken_over"] == 9, "every prompt at the first seed"
    early, late = (
        {name: each for name, each in digests(folder).items() if name.startswith("images/")}
        for folder in (looks, whole)
    )
    assert len(early) == 9
    assert len(late) == 18
    assert early.items() <= late.items(), "the very images"
    count = len([*(pages / "store/sample").glob("*/*")])
    assert command(*words, "--race", *place).json == raced.json
    assert len([*(pages / "store/sample").glob("*/*")]) == count, "nothing is drawn again"
    swept = command(*words, *place)
    assert swept.code == 0, swept.err
    own, other = (
        next(each for each in ran.json["points"] if each["at"] == survivor)
        for ran in (raced, swept)
    )
    assert own["signature"] == other["signature"], "they are compared as equals"
    assert own["scores"][0]["value"] == pytest.approx(other["scores"][0]["value"], abs=0.1)


def folder_of(pages: Path, key: str) -> Path:
    (found,) = (pages / "store/sample").glob(f"*/{key}")
    return found
