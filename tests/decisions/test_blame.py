"""A blame as a value, as a file, as words and as a sheet of pictures."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from harness.decisions.blame import (
    Blame,
    BlamedPicture,
    blames_in,
    notes_of,
    read_blame,
    write_blame,
)
from harness.errors import UsageError
from harness.report.blame import ACROSS, blame_document, print_blame, sentence, sheet
from harness.report.terminal import printed


def picture(name: str, value: float, reach: float = 0.5) -> BlamedPicture:
    return BlamedPicture(0, name, f"a picture of {name}", value, value - reach, value + reach, 0.1)


BLAME = Blame(
    recipe="ink",
    on="held-out",
    asked=64,
    checkpoints=(100, 200),
    pictures=(picture("a", -3.0), picture("b", -0.2), picture("c", 0.4), picture("d", 1.5)),
    notes=("a note",),
)


def test_a_picture_hurts_or_helps_only_where_its_whole_interval_does() -> None:
    assert [each.side for each in BLAME.pictures] == ["hurt", "unclear", "unclear", "helped"]
    assert BLAME.counts() == {"hurt": 1, "unclear": 2, "helped": 1}
    assert [each.id for each in BLAME.worst(2)] == ["a", "b"]
    assert [each.id for each in BLAME.best(2)] == ["d", "c"]


def test_a_blame_is_read_as_it_was_written(tmp_path: Path) -> None:
    folder = tmp_path / "blame" / "ink" / "held-out"
    folder.mkdir(parents=True)
    write_blame(BLAME, folder / "blame.parquet")
    assert read_blame(folder / "blame.parquet") == BLAME
    assert list(blames_in(tmp_path)) == [folder]
    assert list(blames_in(tmp_path / "nowhere")) == []


def test_a_file_that_is_no_blame_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "blame.parquet"
    with pytest.raises(UsageError, match="there is no blame"):
        read_blame(file)
    write_blame(BLAME, file)
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(UsageError, match="cannot be read"):
        read_blame(file)
    write_blame(replace(BLAME, pictures=(picture("a", float("nan")),)), file)
    with pytest.raises(UsageError, match="lacks a number"):
        read_blame(file)
    pq.write_table(pa.table({"id": ["a"]}), file)
    with pytest.raises(UsageError, match="cannot be read"):
        read_blame(file)


def test_what_was_not_asked_is_said() -> None:
    assert "keeps no checkpoints" in notes_of(100, (100,), None)[0]
    assert "--checkpoints asks more" in notes_of(100, (100,), 10)[0]
    assert notes_of(100, (50, 100), 10) == ()


def test_a_terminal_shows_both_ends_and_what_to_do(tmp_path: Path) -> None:
    words = printed(lambda console: print_blame(BLAME, tmp_path, 3, console), 100)
    lines = [line for line in words.splitlines() if "a picture of" in line]
    assert [line.split()[1] for line in lines] == ["a", "b", "c", "d"]
    assert "data.without: [a, …]" in words
    assert "Note: a note" in words
    nothing = replace(BLAME, pictures=BLAME.pictures[1:])
    assert "data.without" not in sentence(nothing)


def test_the_document_is_json_and_says_which_side_each_picture_is_on(tmp_path: Path) -> None:
    document = json.loads(json.dumps(blame_document(BLAME, tmp_path, 1), allow_nan=False))
    assert document["counts"] == {"hurt": 1, "unclear": 2, "helped": 1}
    assert [each["id"] for each in document["worst"]] == ["a"]
    assert document["best"][0]["side"] == "helped"


def test_a_sheet_shows_every_picture_and_marks_one_that_is_lost(tmp_path: Path) -> None:
    Image.new("RGB", (40, 20), (200, 30, 30)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    files = {(0, "a"): tmp_path / "a.png", (0, "b"): tmp_path / "b.png"}
    seen = Image.open(io.BytesIO(sheet(BLAME.pictures[:3], files)))
    width = (seen.width - 6) // ACROSS
    colours = [seen.getpixel((6 + number * width + 72, 6 + 72)) for number in range(4)]
    assert colours == [(200, 30, 30), (217, 213, 204), (217, 213, 204), (255, 255, 255)]


def test_a_name_on_a_sheet_may_hold_anything() -> None:
    odd = replace(BLAME.pictures[0], id="\x1b[31m火影忍者/" + "x" * 300)
    assert Image.open(io.BytesIO(sheet([odd], {}))).size[0] > 100
