"""The script that measures a card runs from end to end on a CPU, with a tiny SDXL."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "performance" / "gpu.py"
WRITTEN = ("ceiling",)
"""The parts that the script has."""


def ran(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, words)], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return the folder of the rehearsal's file, and what it printed."""
    folder = tmp_path_factory.mktemp("hardware")
    done = ran("--dry", "--out", folder, "--parts", ",".join(WRITTEN))
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def content(folder: Path) -> dict[str, Any]:
    (file,) = folder.glob("*.json")
    read: dict[str, Any] = json.loads(file.read_text())
    return read


pytestmark = pytest.mark.slow


def test_every_part_writes_a_figure_or_a_reason(rehearsed: tuple[Path, str]) -> None:
    figures = content(rehearsed[0])["figures"]
    assert {each["part"] for each in figures} == set(WRITTEN)
    assert all(each["value"] is not None or each["facts"]["reason"] for each in figures)


def test_nothing_goes_wrong_in_the_rehearsal(rehearsed: tuple[Path, str]) -> None:
    without = [each for each in content(rehearsed[0])["figures"] if each["value"] is None]
    assert not without


def test_the_printed_lines_are_the_figures_of_the_file(rehearsed: tuple[Path, str]) -> None:
    folder, printed = rehearsed
    assert [json.loads(line) for line in printed.splitlines()] == content(folder)["figures"]


def test_the_file_says_what_was_measured_on_what(rehearsed: tuple[Path, str]) -> None:
    known = content(rehearsed[0])
    assert known["schema_version"] == 1
    assert {"card", "versions", "commit", "dirty", "figures", "forecast"} <= set(known)
    assert set(known["forecast"]) == {
        "name",
        "memory_bytes",
        "training_flops",
        "sampling_flops",
        "launch_seconds",
    }


def test_show_makes_a_table_of_the_file(rehearsed: tuple[Path, str]) -> None:
    shown = ran("--show", "--out", rehearsed[0])
    assert "| ceiling | product-bf16 |" in shown.stdout


def test_another_run_keeps_the_figures_of_the_parts_it_leaves_out(tmp_path: Path) -> None:
    for part in ("ceiling", "tests"):
        done = ran("--dry", "--out", tmp_path, "--parts", part)
        assert done.returncode == 0, done.stderr
    assert {each["part"] for each in content(tmp_path)["figures"]} == {"ceiling", "tests"}
