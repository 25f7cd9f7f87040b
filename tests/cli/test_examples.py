"""The example in each command's help runs, in a folder where its names are small pages."""

from __future__ import annotations

import csv
import shlex
import shutil
from pathlib import Path

import pytest
from commands import commands
from running import FIXTURES, House, harness

from harness.pipeline.results.read import read_result
from harness.pipeline.stages.files import read_index
from harness.pipeline.store.local import Store

ELSEWHERE = {"demo", "serve"}
"""Commands that tests/test_demo.py and tests/delivery/service run; here they are only parsed."""


@pytest.fixture(scope="module")
def folder(house: House, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where `pocket-ninja` is the tiny recipe and `pocket-v1` the tiny benchmark."""
    folder = tmp_path_factory.mktemp("examples") / "here"
    shutil.copytree(house.store, folder / ".harness" / "store")
    shutil.copytree(FIXTURES / "prompts", folder / "prompts")
    recipe = (FIXTURES / "recipes" / "tiny.yaml").read_text()
    (folder / "recipes").mkdir()
    (folder / "recipes" / "pocket-ninja.yaml").write_text(
        recipe.replace("name: tiny", "name: pocket-ninja")
    )
    benchmark = folder / "prompts" / "benchmarks" / "tiny-v1.yaml"
    benchmark.with_name("pocket-v1.yaml").write_text(
        benchmark.read_text().replace("name: tiny-v1", "name: pocket-v1")
    )
    shutil.copy(FIXTURES / "configs" / "locon.toml", folder / "kohya.toml")
    write_renders(house, folder)
    export = "export reports/pocket-v1/pocket-ninja.json lora --to kohya"
    for words in ("run pocket-ninja pocket-base", "gate pocket-ninja --accept", export):
        ran = harness(*words.split(), cwd=folder)
        assert ran.code == 0, ran.err
    return folder


def write_renders(house: House, folder: Path) -> None:
    """Write images with their prompts, and two sets that share most of them."""
    result = read_result(house.reports / "tiny-v1" / "tiny.json")
    samples = Store(house.store).find(result.keys["sample"])
    assert samples is not None
    entries = [entry for entry in read_index(samples) if entry.file]
    assert len(entries) == 36
    names = [f"{entry.id}-{entry.seed}.png" for entry in entries]
    for part, first, last in (("renders", 0, 36), ("set-2023", 0, 20), ("set-2024", 4, 24)):
        (folder / part).mkdir()
        for entry, name in list(zip(entries, names, strict=True))[first:last]:
            shutil.copy(samples / str(entry.file), folder / part / name)
    real = Store(house.store).find(result.keys["reference"])
    assert real is not None
    shutil.copytree(real / "images", folder / "real")
    with (folder / "prompts.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "prompt", "seed"])
        rows.writerows([name, e.text, e.seed] for e, name in zip(entries, names, strict=True))


@pytest.mark.slow
def test_every_example_of_the_help_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARNESS_STORE", raising=False)
    monkeypatch.delenv("HARNESS_REPORTS", raising=False)
    examples = [known.example for known in commands() if known.words not in ELSEWHERE]
    assert len(examples) > 25
    failed = {}
    for example in examples:
        ran = harness(*shlex.split(example)[1:], cwd=folder)
        if ran.code or not ran.out + ran.err:
            failed[example] = (ran.code, ran.err[-500:])
    assert failed == {}
    for name in ("board.html", "sweep.html", "ninja.html", "lora", "site", "statistics", "schemas"):
        assert (folder / name).exists(), name
