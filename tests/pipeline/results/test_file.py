"""A result and what belongs to it travel together, under one name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.errors import PageError
from harness.pipeline.results.file import ResultFile, is_of_a_result, result_files
from harness.pipeline.results.tables import TABLES

PUBLISHED = Path(__file__).parents[3] / "reports"
BASELINE = ResultFile(PUBLISHED / "baselines/pocket-v1/pocket-ninja.json")
RESULT = ResultFile(PUBLISHED / "pocket-v1/pocket-ninja.json")


def test_a_baseline_owns_its_tables_its_album_and_its_noise() -> None:
    there = {path for path in BASELINE.path.parent.iterdir() if path.name.startswith("pocket-")}
    assert set(BASELINE.files()) == there
    assert len(there) == 8
    assert all(is_of_a_result(path.name) for path in there)
    assert BASELINE.noise_path in BASELINE.belongings()
    assert BASELINE.noise_path not in {file.path for file in result_files(PUBLISHED)}


def test_the_result_comes_last_so_that_all_of_it_is_there_once_it_is() -> None:
    assert RESULT.files()[-1] == RESULT.path
    assert RESULT.path not in RESULT.belongings()


def test_a_name_with_dots_owns_only_its_own_files(tmp_path: Path) -> None:
    RESULT.copy_to(tmp_path / "v1/ink.json")
    RESULT.copy_to(tmp_path / "v1/ink.step8.json")
    own = {path.name for path in ResultFile(tmp_path / "v1/ink.json").files()}
    tables = [f"ink.{kind}.parquet" for kind in TABLES if RESULT.has_table(kind)]
    assert own == {"ink.json", "ink.album.zip", *tables}
    assert len(tables) >= 4


def test_a_copy_removes_what_an_older_result_left_but_keeps_its_noise(tmp_path: Path) -> None:
    target = BASELINE.copy_to(tmp_path / "pocket-ninja.json")
    bare = ResultFile(tmp_path / "bare.json")
    shutil.copyfile(RESULT.path, bare.path)
    shutil.copyfile(RESULT.table_path("prompts"), bare.table_path("prompts"))
    bare.copy_to(target.path)
    assert target.belongings() == [target.table_path("prompts"), target.noise_path]
    assert target.result == RESULT.result


def test_a_result_is_read_once(tmp_path: Path) -> None:
    file = ResultFile(tmp_path / "ink.json")
    shutil.copyfile(RESULT.path, file.path)
    first = file.result
    file.path.write_text("{}")
    assert file.result is first
    with pytest.raises(PageError, match="is not a result file"):
        _ = ResultFile(file.path).result


def test_every_result_below_a_folder_is_found() -> None:
    names = {file.path.relative_to(PUBLISHED).as_posix() for file in result_files(PUBLISHED)}
    assert {"pocket-v1/pocket-ninja.json", "pocket-v1/sweeps/pocket-ninja/strength-1.json"} < names
    assert "baselines/pocket-v1/pocket-ninja.json" in names
