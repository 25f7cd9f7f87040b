"""Rows as columns: every source tells what it knows of its pictures without opening one."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from harness.data.sources import tables as rooms
from harness.data.sources.tables import tables, told
from harness.data.specs import Folder, Pocket
from harness.interfaces import Picture


def closed() -> None:
    raise AssertionError("a picture was opened")


def rows(*facts: dict[str, object]) -> list[Picture]:
    return [
        Picture(f"{at}", closed, f"text {at}", ("a", "b"), each) for at, each in enumerate(facts)
    ]


def table(pictures: list[Picture]) -> pa.Table:
    return pa.Table.from_batches(told(pictures))


def test_the_drawn_rows_come_as_typed_columns() -> None:
    found = pa.Table.from_batches(tables(Pocket(use="pocket", set="ninja", count=3)))
    assert found.schema.names[:3] == ["id", "text", "tags"]
    assert found.schema.field("tags").type == pa.list_(pa.string())
    assert found.schema.field("score").type == pa.int64()
    assert found.schema.field("aesthetic").type == pa.float64()
    assert found["id"].to_pylist() == ["ninja-000000", "ninja-000001", "ninja-000002"]


def test_a_folder_of_broken_pictures_still_tells_its_words(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    (tmp_path / "a.txt").write_text("red hair, smile")
    (tmp_path / "b.png").write_bytes(b"")
    line = {"file_name": "b.png", "text": "a face", "score": 7}
    (tmp_path / "metadata.jsonl").write_text(json.dumps(line))
    found = pa.Table.from_batches(tables(Folder(use="folder", path=str(tmp_path))))
    assert found["text"].to_pylist() == ["red hair, smile", "a face"]
    assert found["tags"].to_pylist() == [["red hair", "smile"], ["a face"]]
    assert found["score"].to_pylist() == [None, 7]


@pytest.mark.parametrize(
    ("values", "kind", "said"),
    [
        ((1, 2.5), pa.float64(), [1.0, 2.5]),
        ((1, "many"), pa.string(), ["1", "many"]),
        ((True, 3), pa.string(), None),
        ((None, None), pa.string(), [None, None]),
        (([1, 2], {"a": 1}), pa.string(), ["[1, 2]", '{"a": 1}']),
        ((2**70, 1), pa.string(), [str(2**70), "1"]),
    ],
)
@pytest.mark.parametrize("at_once", [1, 4096])
def test_one_fact_has_one_type_however_rows_fall_into_batches(
    monkeypatch: pytest.MonkeyPatch,
    at_once: int,
    values: tuple[object, ...],
    kind: pa.DataType,
    said: list[object] | None,
) -> None:
    monkeypatch.setattr(rooms, "ROWS", at_once)
    found = table(rows(*({"fact": value} for value in values)))
    assert found.schema.field("fact").type == kind
    assert said is None or found["fact"].to_pylist() == said


def test_a_fact_called_like_a_column_of_ours_hides_nothing() -> None:
    found = table(rows({"id": 5, "text": "other", "tags": "x", "year": 2020}))
    assert found.schema.names == ["id", "text", "tags", "year"]
    assert found["text"].to_pylist() == ["text 0"]


def test_no_rows_are_no_batches() -> None:
    assert list(told([])) == []
