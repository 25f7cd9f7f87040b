"""Which files of a folder of reports are results."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.pipeline.results.file import result_files
from harness.pipeline.results.read import read_result, result_paths
from harness.views.reports_index import ReportsIndex

ROOT = Path(__file__).parents[3]


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """A folder of one result, and of figures of a GPU beside it."""
    folder = tmp_path / "reports"
    (folder / "pocket-v1").mkdir(parents=True)
    shutil.copy(ROOT / "reports/pocket-v1/pocket-ninja.json", folder / "pocket-v1")
    (folder / "hardware").mkdir()
    (folder / "hardware/nvidia-h100.json").write_text('{"schema_version": 1, "figures": []}')
    return folder


def test_figures_of_a_gpu_are_no_results(reports: Path) -> None:
    assert [result.recipe for result in map(read_result, result_paths(reports))] == ["pocket-ninja"]
    assert [file.path.name for file in result_files(reports)] == ["pocket-ninja.json"]
    assert [entry.name for entry in ReportsIndex(reports, reports).entries()] == [
        "pocket-v1/pocket-ninja"
    ]
