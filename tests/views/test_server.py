"""Where the dashboard is found, and what it shows where there is nothing yet."""

from __future__ import annotations

from pathlib import Path

from harness.views import server


def test_the_dashboard_is_found() -> None:
    assert (server.folder() / "pages/main.py").is_file()


def test_where_there_are_no_reports_the_demo_is_shown(tmp_path: Path) -> None:
    assert server.reports_to_show(tmp_path) == tmp_path
    demo = server.reports_to_show(tmp_path / "none")
    assert (demo / "pocket-v1/pocket-ninja.json").is_file()


def test_a_demo_made_here_is_shown_before_the_one_that_ships(tmp_path: Path) -> None:
    made = tmp_path / ".harness/reports"
    made.mkdir(parents=True)
    assert server.reports_to_show(tmp_path / "reports") == made
