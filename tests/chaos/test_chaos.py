"""Runs that are stopped, starved or damaged end as calm ones do.

This is the short form: `python performance/chaos.py` goes on for as long as it is let.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from running import ROOT

pytestmark = pytest.mark.slow
TRIALS = 10


@pytest.fixture(scope="module")
def disturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], str, int]:
    """Disturb a few runs; return the line of each trial, the summary and the exit code."""
    out = tmp_path_factory.mktemp("chaos")
    words = ("--out", out, "--trials", TRIALS, "--minutes", 20, "--kinds", "kill,full,gc,flip")
    done = subprocess.run(
        [sys.executable, str(ROOT / "performance" / "chaos.py"), *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    file: Path = out / "trials.jsonl"
    assert file.exists(), done.stderr
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return lines, done.stdout, done.returncode


def test_nothing_differs_and_nothing_is_lost_unnamed(
    disturbed: tuple[list[dict[str, Any]], str, int],
) -> None:
    lines, said, code = disturbed
    assert len(lines) == TRIALS
    assert {line["verdict"] for line in lines} <= {"equal", "named"}, said
    assert code == 0


def test_stops_are_spread_over_stages_and_disks_are_full(
    disturbed: tuple[list[dict[str, Any]], str, int],
) -> None:
    lines, _, _ = disturbed
    kinds = Counter(line["kind"] for line in lines)
    assert kinds["kill"] >= 5
    assert kinds["full"] >= 1
    landed = [line["landed"][0] for line in lines if line["kind"] == "kill"]
    assert len(set(landed)) >= 3


def test_no_error_of_pythons_reaches_a_user(
    disturbed: tuple[list[dict[str, Any]], str, int],
) -> None:
    lines, said, _ = disturbed
    assert not any(line["raw"] for line in lines), said
