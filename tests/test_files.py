"""A file or folder is there whole or not at all, also when the work on it fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.files import below, copy_whole, lines_of, remove_parts, whole, whole_folder, write_text


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_a_file_gets_its_name_only_when_it_is_complete(tmp_path: Path) -> None:
    file = tmp_path / "new" / "file.txt"
    with whole(file) as part:
        part.write_text("half")
        assert not file.exists()
        assert part.parent == file.parent
    assert names(file.parent) == ["file.txt"]
    assert file.read_text() == "half"


def test_a_failure_keeps_the_old_file_and_leaves_no_part(tmp_path: Path) -> None:
    file = tmp_path / "file.txt"
    write_text(file, "old")
    with pytest.raises(ZeroDivisionError), whole(file) as part:
        part.write_text(str(1 // 0))
    assert (names(tmp_path), file.read_text()) == (["file.txt"], "old")


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    file = tmp_path / "file.txt"
    with whole(file) as one, whole(file, flush=False) as other:
        one.write_text("first")
        other.write_text("second")
    assert (names(tmp_path), file.read_text()) == (["file.txt"], "first")


def test_a_folder_replaces_the_old_one_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    for content in ("old", "new"):
        with whole_folder(folder) as part:
            (part / content).write_text(content)
    assert (names(tmp_path), names(folder)) == (["set"], ["new"])
    with pytest.raises(ZeroDivisionError), whole_folder(folder) as part:
        (part / "half").write_text(str(1 // 0))
    assert (names(tmp_path), names(folder)) == (["set"], ["new"])


def test_the_parts_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    killed = whole(inner / "file.txt")
    killed.__enter__().write_text("half")
    (inner / "done.txt").write_text("done")
    assert len(names(inner)) == 2
    remove_parts(tmp_path)
    assert names(inner) == ["done.txt"]


def test_a_missing_file_is_copied_to_nothing(tmp_path: Path) -> None:
    copy_whole(tmp_path / "missing", tmp_path / "copy")
    assert not names(tmp_path)


def test_a_line_ends_at_a_newline_alone() -> None:
    assert lines_of("one\u2028still one\n\ntwo\x85\n") == ["one\u2028still one", "two\x85"]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a\0b"])
def test_no_name_leads_out_of_a_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a file"):
        below(tmp_path, name)
