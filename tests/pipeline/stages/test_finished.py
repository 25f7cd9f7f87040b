"""What a kill left is kept where it is as it was written, and is made again where it is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.data.specs import Pocket
from harness.interfaces import StageContext
from harness.pages.stages import DataSpec
from harness.pipeline.stages.data import collect
from harness.pipeline.stages.finished import NOTES, FinishedFiles
from harness.pipeline.stages.reading import JOURNAL


def written(folder: Path, *names: str) -> FinishedFiles:
    finished = FinishedFiles(folder)
    for name in names:
        (folder / name).write_bytes(name.encode() * 100)
        finished.add(name)
    return finished


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(data)


def test_another_process_knows_what_was_noted(tmp_path: Path) -> None:
    one = written(tmp_path, "a", "b")
    (tmp_path / "c").write_bytes(b"not noted")
    for finished in (one, FinishedFiles(tmp_path)):
        assert [finished.has(name) for name in ("a", "b", "c", "d")] == [True, True, False, False]


def test_a_file_that_has_changed_or_gone_is_not_finished(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    written(tmp_path, "a", "b", "c")
    flip(tmp_path / "a")
    (tmp_path / "b").unlink()
    assert [FinishedFiles(tmp_path).has(name) for name in "abc"] == [False, False, True]
    assert f"{tmp_path / 'a'} has changed since it was written: it is made again" in caplog.text


@pytest.mark.parametrize(
    "line", [b'{"name": "c", "dig', b"\xff\xfe\n", b"[]\n", b'{"name": "c"}\n']
)
def test_a_note_that_cannot_be_read_counts_for_nothing(tmp_path: Path, line: bytes) -> None:
    written(tmp_path, "a", "c")
    notes = (tmp_path / NOTES).read_bytes().splitlines(keepends=True)
    (tmp_path / NOTES).write_bytes(notes[0] + line)
    assert [FinishedFiles(tmp_path).has(name) for name in "ac"] == [True, False]


SPEC = DataSpec(source=Pocket(use="pocket", set="faces", count=6))


def collected(folder: Path) -> dict[str, bytes]:
    folder.mkdir(exist_ok=True)
    collect(SPEC, StageContext(folder, {}))
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not file.name.startswith("scratch")
    }


@pytest.mark.parametrize("name", ["images/00000003.png", NOTES, JOURNAL])
def test_a_flipped_bit_between_a_kill_and_its_resume_changes_nothing(
    name: str, tmp_path: Path
) -> None:
    whole = collected(tmp_path / "set")
    flip(tmp_path / "set" / name)
    assert collected(tmp_path / "set") == whole


def test_the_journals_lines_carry_a_digest(tmp_path: Path) -> None:
    whole = collected(tmp_path / "set")
    journal = tmp_path / "set" / JOURNAL
    first, *others = journal.read_text().splitlines()
    said = json.loads(first) | {"kinds": ["rotated"]}
    journal.write_text("\n".join([json.dumps(said), *others]) + "\n")
    assert collected(tmp_path / "set") == whole
