"""The installation says what it is doing, from pip's lines and from what lies there."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import ROOT

from tools.install import OLDEST, Telling, follow


def test_a_package_is_named_while_it_is_fetched_and_while_it_is_unpacked(tmp_path: Path) -> None:
    telling = Telling(tmp_path)
    assert "asking for packages" in telling.line()
    telling.hear("Collecting torch==2.14.1 (from -c constraints.txt (line 119))\n")
    assert "collecting torch==2.14.1" in telling.line()
    telling.hear("  Downloading https://index.example/a/torch-2.14.1-cp311.whl (900 MB)\n")
    assert "downloading torch-2.14.1-cp311.whl" in telling.line()
    telling.hear("Installing collected packages: numpy, open_clip_torch, harness\n")
    assert "unpacking numpy, 0 of 3 packages" in telling.line()
    for name in ("numpy-2.4.6", "open_clip_torch-3.3.0"):
        folder = tmp_path / f"lib/python3.11/site-packages/{name}.dist-info"
        folder.mkdir(parents=True)
        (folder / "RECORD").touch()
    assert "unpacking harness, 2 of 3 packages" in telling.line()


def test_a_line_comes_while_pip_is_silent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = list[str]()

    def lines() -> Iterator[str]:
        yield "Installing collected packages: torch\n"
        while "unpacking torch" not in "".join(said):
            said.append(capsys.readouterr().out)

    assert follow(lines(), Telling(tmp_path), beat=0.01) == [
        "Installing collected packages: torch\n"
    ]


def test_the_oldest_python_is_the_one_that_the_project_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={OLDEST[0]}.{OLDEST[1]}"
