"""The wheel carries what the checkout has: pages, schemas, weights, templates, dashboard."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from harness.pages.folders import FOLDERS

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout and unpacked where a user would have it."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_holds_every_page_and_every_weight(unpacked: Path) -> None:
    for kind, folder in FOLDERS.items():
        here = {file.name for file in (ROOT / folder).glob("*.yaml")}
        there = {file.name for file in (unpacked / "harness/shipped" / folder).glob("*.yaml")}
        assert here == there, kind
        assert len(here) >= 4
    weights = {file.relative_to(ROOT) for file in (ROOT / "harness").rglob("*.safetensors")}
    assert len(weights) == 9
    assert all((unpacked / file).is_file() for file in weights)
    beside = ("LICENSE", "README.md", "../digests.json")
    assert all(
        (unpacked / "harness/extractors/pretrained/lite0" / name).is_file() for name in beside
    )


def test_the_wheel_holds_the_dashboard_and_the_demo_that_it_first_shows(unpacked: Path) -> None:
    shipped = unpacked / "harness/shipped"
    here = [
        file.relative_to(ROOT)
        for folder in ("dashboard", "reports")
        for file in (ROOT / folder).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and "history" not in file.parts
    ]
    assert len(here) > 50
    assert [file for file in here if not (shipped / file).is_file()] == []
    assert (shipped / "dashboard/pages/.streamlit/config.toml").is_file()


def test_an_installed_harness_finds_its_pages_far_from_the_checkout(
    unpacked: Path, tmp_path: Path
) -> None:
    environment = os.environ | {"PYTHONPATH": str(unpacked), "PYTHONSAFEPATH": "1"}
    program = "import harness, sys; from harness.cli import main; print(harness.__file__); main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "list", "recipes"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(str(unpacked))
    assert "naruto-1024" in done.stdout
