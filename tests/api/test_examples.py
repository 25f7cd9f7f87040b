"""The example in the docstring of every function and type runs, and gives what it says."""

from __future__ import annotations

import doctest
import inspect
import shutil
from pathlib import Path

import pytest
from running import FIXTURES, House

import harness

NAMES = [name for name in harness.__all__ if name != "__version__"]
FUNCTIONS = [name for name in harness.__all__ if inspect.isfunction(getattr(harness, name))]
SLOW = [name for name in FUNCTIONS if "# slow" in (getattr(harness, name).__doc__ or "")]


@pytest.fixture(scope="module")
def world(house: House, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store and reports of one's own, filled with the tiny recipe and the bare base."""
    root = tmp_path_factory.mktemp("world")
    shutil.copytree(house.store, root / "store")
    shutil.copytree(house.reports, root / "reports")
    run = harness.load_result(root / "reports/tiny-v1/tiny.json")
    drawn = run.folder("sample", harness.Workspace(root / "store", root / "reports"))
    assert drawn is not None
    shutil.copytree(drawn / "images", root / "images")
    for step in (100, 200):
        shutil.copytree(drawn / "images", root / "samples" / f"step_{step}")
        files = sorted((root / "samples" / f"step_{step}").iterdir())
        for number, file in enumerate(files):
            file.rename(file.with_name(f"image_{number}.png"))
    collected = run.folder("reference", harness.Workspace(root / "store", root / "reports"))
    assert collected is not None
    shutil.copytree(collected / "images", root / "real")
    return root


def run_example(name: str, world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FIXTURES)
    monkeypatch.setenv("HARNESS_STORE", str(world / "store"))
    monkeypatch.setenv("HARNESS_REPORTS", str(world / "reports"))
    names = {
        "harness": harness,
        "reports": world / "reports",
        "pictures": world / "images",
        "real": world / "real",
        "samples": world / "samples",
        "scratch": world / "scratch",
        "adapter": next((world / "store" / "train").rglob("adapter.safetensors")),
    }
    text = inspect.getdoc(getattr(harness, name)) or ""
    example = doctest.DocTestParser().get_doctest(text, names, name, None, None)
    assert example.examples, f"harness.{name} has no example"
    said: list[str] = []
    runner = doctest.DocTestRunner(verbose=False)
    assert runner.run(example, out=said.append).failed == 0, "".join(said)


def test_most_functions_have_a_quick_example() -> None:
    assert len(FUNCTIONS) > 20
    assert len(SLOW) <= 6


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_example_of_a_name_runs(
    name: str, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_example(name, world, monkeypatch)
