"""A page that fills while the demo runs: what goes on, what was drawn, and an end to refreshing."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from harness.api.demo import LivePage
from harness.api.options import Workspace
from harness.errors import HarnessError
from harness.interfaces import Progress
from harness.keys import make_step
from harness.pages.stages import TreatSpec
from harness.pipeline.store.local import Store
from harness.report.live import GoingOn, StepUnderWay, filled

REFRESH = '<meta http-equiv="refresh"'


def test_pictures_are_shown_as_they_are_drawn_and_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.api.demo.BETWEEN", -1.0)
    said, file = list[str](), tmp_path / "page.html"
    workspace = Workspace(tmp_path / "store", tmp_path / "reports", "cpu", quiet=True)
    step = make_step("sample", "sample", 1, TreatSpec(), {}, "pocket-base")
    live = LivePage(file, workspace, said.append)
    with live:
        assert REFRESH in file.read_text()
        live.begin(step, 1, 30)
        live.progress(step, Progress(16, 96, "images"))
        assert "pocket-base · sample" in file.read_text()
        assert "16 of 96 images" in file.read_text()
        assert not said
        images = Store(workspace.store).work(step) / "images"
        images.mkdir(parents=True)
        Image.new("RGB", (64, 64), "red").save(images / "a_1.png")
        live.progress(step, Progress(32, 96, "images"))
        live.progress(step, Progress(48, 96, "images"))
    text = file.read_text()
    assert "Just drawn by pocket-base" in text
    assert text.count("data:image/webp") == 1
    assert said == [f"Look at {file} in a browser: it fills as pictures and results come"]


def test_a_page_whose_run_fails_says_so_and_refreshes_no_more(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    workspace = Workspace(tmp_path / "store", tmp_path / "reports", "cpu", quiet=True)
    with (
        pytest.raises(HarnessError),
        LivePage(file, workspace, print),
    ):
        raise HarnessError("no room", hint="make some")
    assert REFRESH not in file.read_text()
    assert "Stopped" in file.read_text()


def test_what_goes_on_is_escaped() -> None:
    now = GoingOn(1.0, 0, 1, [StepUnderWay("<script> · train", 1, 2, "<b>")], {})
    assert "<script>" not in filled("<!-- what goes on -->", now)
