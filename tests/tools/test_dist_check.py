"""What a release is held to: two wheels differ by any file that one lacks or has otherwise."""

from __future__ import annotations

import tomllib
import zipfile
from pathlib import Path

from running import ROOT

from tools.dist_check import CALLS, contents, unlike


def wheel(file: Path, **files: str) -> Path:
    with zipfile.ZipFile(file, "w") as opened:
        for name, text in files.items():
            opened.writestr(name, text)
        opened.writestr("harness-1.dist-info/RECORD", file.name)
    return file


def test_wheels_are_alike_but_for_their_own_lists(tmp_path: Path) -> None:
    one = contents(wheel(tmp_path / "a.whl", a="1", b="2"))
    assert sorted(one) == ["a", "b"]
    assert unlike(one, contents(wheel(tmp_path / "b.whl", b="2", a="1"))) == []


def test_a_lost_and_a_changed_file_are_named(tmp_path: Path) -> None:
    one = contents(wheel(tmp_path / "a.whl", a="1", b="2", c="3"))
    other = contents(wheel(tmp_path / "b.whl", a="1", b="x"))
    assert unlike(one, other) == ["b", "c"]


def test_what_ships_in_the_wheel_is_in_the_sdist_too() -> None:
    targets = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"][
        "targets"
    ]
    left_out = tuple(targets["sdist"]["exclude"])
    for source in targets["wheel"]["force-include"]:
        below = [file.relative_to(ROOT).as_posix() for file in (ROOT / source).rglob("*")]
        assert below
        assert not [name for name in below if name.startswith(left_out)], source


def test_the_commands_that_are_tried_are_ours() -> None:
    assert ("doctor",) in CALLS
    assert ("list", "recipes") in CALLS
