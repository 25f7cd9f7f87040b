"""A index with the published results, copied so that tests may do to it what they like."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.views.reports_index import ReportsIndex

PUBLISHED = Path(__file__).parents[2] / "reports"


@pytest.fixture
def index(tmp_path: Path) -> ReportsIndex:
    shutil.copytree(PUBLISHED, tmp_path / "reports")
    return ReportsIndex(tmp_path / "reports", tmp_path / "store")
