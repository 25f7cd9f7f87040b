"""Reports to browse: the published ones, copied, and a way to open a page over them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from visiting import ROOT, Visit

from dashboard import guard


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "reports", tmp_path / "reports")
    return tmp_path / "reports"


@pytest.fixture
def visit(reports: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Visit:
    """Open a page as a visitor does: in a theme, with a link's parameters."""
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.setenv("HARNESS_REPORTS", str(reports))
    monkeypatch.setenv("HARNESS_STORE", str(tmp_path / "store"))
    monkeypatch.delenv(guard.TOKEN, raising=False)

    def open_page(page: str, theme: str = "light", /, **link: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "dashboard/pages/main.py"), default_timeout=120)
        app.context["theme"] = theme
        app.query_params.update(link)
        if page == "leaderboard":
            return app.run()
        return app.switch_page(f"{page}.py").run()

    return open_page
