"""One run in full: its page, its time, and the command that makes it again."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from ruamel.yaml import YAML

from harness.records import Result
from harness.views import runs
from harness.views.reports_index import ReportsIndex


def result(index: ReportsIndex, recipe: str = "pocket-ninja") -> Result:
    found = index.find(f"pocket-v1/{recipe}").result
    assert found is not None
    return found


@pytest.mark.slow
def test_the_command_that_makes_it_again_is_understood(index: ReportsIndex) -> None:
    words = runs.command(result(index)).split()
    assert words == ["harness", "run", "pocket-ninja", "-b", "pocket-v1"]
    plan = [
        sys.executable,
        "-m",
        "harness.cli",
        "plan",
        *words[2:],
        "--json",
        "--store",
        str(index.store.root),
    ]
    done = subprocess.run(plan, capture_output=True, text=True, timeout=120, check=True)
    keys = {step["stage"]: step["key"] for step in json.loads(done.stdout)["steps"]}
    assert keys["train"] == result(index).keys["train"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"recipe": "x.step300"}, "harness run x@300 -b pocket-v1"),
        (
            {"interval": "recipe", "training_seeds": (0, 1, 2)},
            "harness run pocket-ninja -b pocket-v1 --replicates 3",
        ),
        (
            {"origin": "images supplied"},
            "harness score --images DIR --prompts FILE -b pocket-v1 --name pocket-ninja",
        ),
        (
            {"origin": "adapter supplied"},
            "harness score --adapter FILE --base pocket/sdxl -b pocket-v1 --name pocket-ninja",
        ),
    ],
)
def test_every_kind_of_result_has_its_command(
    index: ReportsIndex, changes: dict[str, object], words: str
) -> None:
    assert runs.command(result(index).model_copy(update=changes)) == words


def test_the_resolved_page_holds_defaults_too(index: ReportsIndex) -> None:
    page = YAML(typ="safe").load(runs.page(result(index)))
    assert page["train"]["phases"][0]["steps"] == 300
    assert page["train"]["adapter"]["dropout"] == 0.0
    assert page["data"]["source"]["use"] == "pocket"
    bare = result(index).model_copy(update={"provenance": {}})
    assert runs.page(bare) == ""
    assert runs.times(bare) == runs.losses(bare) == []
    assert runs.efficiency(bare) == runs.environment(bare) == {}


def test_times_add_up_and_losses_go_down(index: ReportsIndex) -> None:
    one = result(index)
    assert sum(each["seconds"] for each in runs.times(one)) == pytest.approx(
        sum(one.provenance["seconds"].values()), abs=0.1
    )
    losses = runs.losses(one)
    assert losses[-1]["step"] == 300
    assert losses[-1]["loss"] < losses[0]["loss"]


def test_weights_are_offered_where_the_store_has_them(index: ReportsIndex) -> None:
    entry = index.find("pocket-v1/pocket-ninja")
    assert runs.downloads(index, entry) == []
    key = result(index).keys["train"]
    folder = index.store.root / f"train/{key[:2]}/{key}"
    folder.mkdir(parents=True)
    (folder / "adapter.safetensors").write_bytes(b"0" * 2_000_000)
    (folder / "manifest.json").write_text("{}")
    (found,) = runs.downloads(index, entry)
    assert found.address == f"/artifacts/{key}/adapter.safetensors"
    assert found.megabytes == 2.0
