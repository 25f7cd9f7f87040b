"""The first dashboard page: what it shows, and what it says where there is nothing to show."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from running import House
from streamlit.testing.v1 import AppTest

pytestmark = pytest.mark.slow
DASHBOARD = Path(__file__).parents[2] / "dashboard"


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.syspath_prepend(str(DASHBOARD))
    return AppTest.from_file(str(DASHBOARD / "pages" / "leaderboard.py"), default_timeout=60)


def test_the_leaderboard_shows_every_recipe_with_intervals_and_prompts_as_text(
    house: House, page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_REPORTS", str(house.reports))
    monkeypatch.setenv("HARNESS_STORE", str(house.store))
    page.run()
    assert not page.exception
    table = page.dataframe[0].value
    assert set(table["recipe"]) == {"tiny", "pocket-base"}
    assert (table["kid low"] <= table["kid"]).all()
    assert (table["kid"] <= table["kid high"]).all()
    shown = "".join(element.body for element in page.get("html"))
    assert shown.count("data:image/webp;base64,") == 2 * 9
    assert "&lt;b&gt;bold&lt;/b&gt;" in shown


def test_without_results_it_names_the_command_to_run(
    page: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HARNESS_REPORTS", str(tmp_path))
    page.run()
    assert not page.exception
    assert page.code[0].value == "harness demo"


def test_the_dashboard_loads_no_torch() -> None:
    program = "import sys, data; assert 'torch' not in sys.modules, 'torch was loaded'"
    subprocess.run([sys.executable, "-c", program], cwd=DASHBOARD, check=True)
