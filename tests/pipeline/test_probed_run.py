"""A run with a loss probe: what it adds to a result, and that it goes wherever a result goes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from once import Once
from running import FIXTURES, Command, House, harness

from harness.decisions.verification import verify
from harness.pipeline.results.file import ResultFile
from harness.pipeline.results.tables import read_table
from harness.pipeline.store.local import Store

pytestmark = pytest.mark.slow
VALIDATION = """
  validation:
    source: {use: pocket, set: ninja, first: 50000, count: 9}
    rows: 9
    timesteps: 2
"""


@pytest.fixture(scope="module")
def probed(house: House, once: Once) -> Path:
    """The tiny recipe with pictures held out, run in a copy of the house: it trains as there."""

    def make(root: Path) -> None:
        shutil.copytree(house.store, root / "store")
        page = (FIXTURES / "recipes/tiny.yaml").read_text().rstrip()
        (root / "tiny.yaml").write_text(f"{page}{VALIDATION}")
        where = ("--store", root / "store", "--reports", root / "reports")
        ran = harness("run", root / "tiny.yaml", "-b", "tiny-v1", *where, "--json")
        assert ran.code == 0, ran.err
        (root / "run.json").write_text(ran.out)

    return once("probed-run", make)


def test_only_the_probe_and_what_it_asks_about_are_made_anew(probed: Path) -> None:
    (run,) = json.loads((probed / "run.json").read_text())["results"]
    assert run["made"] == ["data-held", "texts-held", "latents-held", "probe"]
    assert "train" in run["reused"]


def test_a_result_says_what_its_probe_found_and_the_table_lies_beside_it(
    probed: Path, command: Command
) -> None:
    file = ResultFile(probed / "reports/tiny-v1/tiny.json")
    said = file.result.probe
    assert said is not None
    assert [step.step for step in said.steps] == list(range(4, 41, 4))
    assert (said.trained, said.held_out) == (9, 9)
    rows = read_table(file.table_path("probe"), "probe").to_pylist()
    assert len(rows) == 11 * 18
    told = command("report", file.path)
    assert "loss probe: 9 pictures trained on, 9 held out" in told.out
    shown = command("report", file.path, "--json").json
    assert shown["probe"] == json.loads(file.path.read_text())["probe"]


def test_a_probe_is_verified_from_its_table(probed: Path, tmp_path: Path) -> None:
    there = ResultFile(probed / "reports/tiny-v1/tiny.json")
    store = Store(probed / "store")
    assert verify(there.path, store).problems == ()
    forged = there.copy_to(tmp_path / "tiny-v1/tiny.json")
    document = json.loads(forged.path.read_text())
    document["probe"]["steps"][-1]["gain"]["value"] += 0.1
    forged.path.write_text(json.dumps(document))
    assert any("loss probe" in each for each in verify(forged.path, store).problems)
    forged.table_path("probe").unlink()
    assert any("probe.parquet is missing" in each for each in verify(forged.path, store).problems)


def test_a_probe_travels_and_stays(probed: Path, tmp_path: Path, command: Command) -> None:
    where = ("--store", probed / "store", "--reports", probed / "reports")
    bucket = tmp_path / "bucket"
    assert command("store", "push", bucket, *where).code == 0
    there = ("--store", tmp_path / "store", "--reports", tmp_path / "reports")
    assert command("store", "pull", bucket, *there).code == 0
    name = "tiny-v1/tiny.probe.parquet"
    assert (tmp_path / "reports" / name).read_bytes() == (probed / "reports" / name).read_bytes()
    unused = command("gc", "--dry-run", *where, "--json").json
    key = ResultFile(probed / "reports/tiny-v1/tiny.json").result.keys["probe"]
    assert not any(key in str(folder) for folder in unused["folders"])
