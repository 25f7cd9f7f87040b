"""Forecasts are tested against estimates, whatever files of measured figures are committed."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.pipeline.forecast import hardware


@pytest.fixture(autouse=True)
def nothing_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that alone is searched for measured figures; it holds none."""
    monkeypatch.setattr(hardware, "roots", lambda: [tmp_path])
    return tmp_path
