"""The notebook for a T4 runs from its first cell to its last, with the pocket base in its place."""

from __future__ import annotations

import json
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from running import ROOT

from harness.pocket.world import row

NOTEBOOK = ROOT / "docs/notebooks/style_lora_on_a_t4.ipynb"
SMALL = """
BASE = "pocket/sdxl"
PICTURES = "pictures"
SIDE = 64
STEPS = 4
RANK = 2
PROMPTS = ["a fox", "a knight", "a cat", "tea"]
SEEDS = [1]
DRAWING_STEPS = 2
"""


def cells() -> list[tuple[str, list[str]]]:
    """Return each code cell with its tags."""
    document: dict[str, Any] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return [
        ("".join(cell["source"]), cell["metadata"].get("tags", []))
        for cell in document["cells"]
        if cell["cell_type"] == "code"
    ]


def pictures(folder: Path, count: int = 60) -> None:
    folder.mkdir()
    for number in range(count):
        face = row("ninja", number)
        face.image().save(folder / f"{number:03d}.png")
        (folder / f"{number:03d}.txt").write_text(", ".join(face.tags))


def test_nothing_of_a_run_is_kept_in_the_notebook() -> None:
    document = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    code = [cell for cell in document["cells"] if cell["cell_type"] == "code"]
    assert len(code) >= 8
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


@pytest.mark.slow
def test_the_notebook_runs_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures(tmp_path / "pictures")
    names: dict[str, Any] = {}
    monkeypatch.setenv("HARNESS_STORE", str(tmp_path / "store"))
    with chdir(tmp_path):
        for source, tags in cells():
            if "install" in tags:
                assert source.startswith("%pip install")
                continue
            exec(compile(SMALL if "parameters" in tags else source, "cell", "exec"), names)
    assert names["run"].result.images.scored == 4
    assert names["compared"].verdict in ("better", "worse", "no-difference", "under-powered")
    assert sorted(file.suffix for file in (tmp_path / "lora").iterdir())
    said = capsys.readouterr().out
    assert "take" in said
