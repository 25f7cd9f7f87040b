"""A shelf with the published results, copied so that tests may do to it what they like."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.views.shelf import Shelf

PUBLISHED = Path(__file__).parents[2] / "reports"


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    shutil.copytree(PUBLISHED, tmp_path / "reports")
    return Shelf(tmp_path / "reports", tmp_path / "store")
