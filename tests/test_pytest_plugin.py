"""The fixture `lora_gate`, in a repository that is not ours."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from running import House

pytestmark = pytest.mark.slow
TESTS = """
from pathlib import Path

def test_equal(lora_gate):
    lora_gate("{reports}/tiny-v1/tiny.json").no_worse_than("{reports}/tiny-v1/tiny.json")

def test_worse(lora_gate):
    lora_gate("{reports}/tiny-v1/pocket-base.json").no_worse_than(
        "{reports}/tiny-v1/tiny.json", policy=Path("policy.yaml")
    )

def test_lacking(lora_gate):
    lora_gate("lacking.json").no_worse_than("{reports}/tiny-v1/tiny.json", unsure="skip")

def test_allowed(lora_gate):
    found = lora_gate("lacking.json").no_worse_than(
        "{reports}/tiny-v1/tiny.json", allow_missing=["kid"]
    )
    assert found.gate.allowed_missing
"""
POLICY = """\
schema_version: 1
name: strict
summary: "No distance is that small."
metrics: [{metric: kid, most: -1000}]
"""


@pytest.fixture
def repository(house: House, tmp_path: Path) -> Path:
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "pytest.ini").write_text(
        f"[pytest]\nharness_store = {house.store}\nharness_reports = reports\n"
    )
    _write_without_kid(house.reports / "tiny-v1" / "tiny.json", tmp_path / "lacking.json")
    (tmp_path / "test_lora.py").write_text(TESTS.format(reports=house.reports))
    return tmp_path


def _write_without_kid(source: Path, target: Path) -> None:
    document = json.loads(source.read_text())
    gone = {"value": None, "low": None, "high": None, "base": None, "reason": "no network"}
    document["scores"][0] |= gone
    target.write_text(json.dumps(document))
    for table in source.parent.glob("tiny.*.parquet"):
        shutil.copy(table, target.parent / table.name.replace("tiny.", "lacking."))


def test_a_lora_is_held_to_its_baseline_in_anyones_tests(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rA"],
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=300,
        env={key: value for key, value in os.environ.items() if not key.startswith("PYTEST")},
    )
    assert "PASSED test_lora.py::test_equal" in done.stdout, done.stdout
    assert "FAILED test_lora.py::test_worse" in done.stdout
    assert "of policy strict" in done.stdout
    assert "FAILED test_lora.py::test_lacking" in done.stdout, "what is missing is not skipped"
    assert "PASSED test_lora.py::test_allowed" in done.stdout
    assert "kid is not at most -1000" in done.stdout
    assert "Advice" in done.stdout, "what makes it advisory is a warning"
    assert "Traceback" not in done.stdout
    assert done.returncode == 1
    history = repository / "reports" / "history" / "tiny-v1"
    assert len(list(history.glob("*.jsonl"))) == 2
