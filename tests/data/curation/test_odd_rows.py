"""Rows as others write them: both engines read them alike, or they are refused by name."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from harness import plugins
from harness.data.curation.by_row import select
from harness.data.specs import Folder, Parquet, Webdataset
from harness.errors import UsageError
from harness.interfaces import StageContext
from harness.pages.data import Data
from harness.pages.stages import DataSpec
from harness.pipeline.curate import CurationRequest, curate
from harness.pipeline.stages.data import collect
from harness.pipeline.stages.files import read_index

Rows = list[str]
"""The ids of the rows that are kept."""


def picture() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(stream, "PNG")
    return stream.getvalue()


def both(folder: Path, source: dict[str, Any], **data: Any) -> Rows:
    """Return the rows that both engines keep, which must be the same."""
    page = folder / "page.yaml"
    whole = {"source": source, **data}
    page.write_text(json.dumps({"name": "odd", "data": whole}))
    curate(CurationRequest(str(page), folder / "set", again=True), lambda made: "")
    columns = pq.read_table(folder / "set/curated.parquet")["id"].to_pylist()
    read = Data.model_validate(whole, strict=False)
    spec = DataSpec(source=read.source, curate=read.curate, booster=read.booster)
    assert [each.id for each in select(spec, Counter())] == columns
    return columns


def parquet(folder: Path, *files: dict[str, Any], **facts: str) -> dict[str, Any]:
    """Write each file's columns, with a picture in every row, and return the source."""
    for number, columns in enumerate(files):
        many = len(next(iter(columns.values())))
        whole = pa.table({"image": [picture()] * many, "text": ["a"] * many, **columns})
        pq.write_table(whole, folder / f"{number}.parquet")
    last = f"{{0..{len(files) - 1}}}"
    return {
        "use": "parquet",
        "files": str(folder / f"{last}.parquet"),
        "text": "text",
        "facts": facts,
    }


def folder_of(folder: Path, *rows: dict[str, Any]) -> dict[str, Any]:
    """Write a picture and a line of metadata a row, and return the source."""
    lines = []
    for number, row in enumerate(rows):
        (folder / f"{number}.png").write_bytes(picture())
        lines.append(json.dumps({"file_name": f"{number}.png", "text": "a", **row}))
    (folder / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return {"use": "folder", "path": str(folder)}


def tar(folder: Path, **members: bytes) -> dict[str, Any]:
    with tarfile.open(folder / "0.tar", "w") as shard:
        for kind, content in {"png": picture(), **members}.items():
            member = tarfile.TarInfo(f"a.{kind}")
            member.size = len(content)
            shard.addfile(member, io.BytesIO(content))
    return {"use": "webdataset", "files": str(folder / "0.tar")}


@pytest.fixture
def there(tmp_path: Path) -> Path:
    (tmp_path / "there").mkdir()
    return tmp_path / "there"


def test_files_whose_numbers_differ_in_type_keep_their_values(tmp_path: Path, there: Path) -> None:
    source = parquet(there, {"score": [9]}, {"score": [4.6, 5.4]}, score="score")
    assert both(tmp_path, source, curate={"score": {"at_least": 5}}) == ["00000000", "00000002"]


def test_a_file_may_keep_its_words_in_a_dictionary(tmp_path: Path, there: Path) -> None:
    words = pa.array(["g", "s"]).dictionary_encode()
    source = parquet(there, {"rating": words}, {"rating": ["s", "g"]}, rating="rating")
    assert both(tmp_path, source, curate={"ratings": ["g"]}) == ["00000000", "00000003"]


def test_files_may_hold_hashes_with_and_without_a_sign(tmp_path: Path, there: Path) -> None:
    signed, unsigned = pa.array([5, -3], pa.int64()), pa.array([2**64 - 3, 7], pa.uint64())
    source = parquet(there, {"phash": signed}, {"phash": unsigned}, phash="phash")
    assert both(tmp_path, source, curate={"near_duplicates": 0}) == [
        "00000000",
        "00000001",
        "00000003",
    ]


@pytest.mark.parametrize(
    ("later", "rule"), [([9.0, 1.5], {"score": {"at_least": 5}}), (["g", "s"], {"ratings": ["g"]})]
)
def test_a_first_file_that_knows_nothing_settles_no_type(
    tmp_path: Path, there: Path, later: list[Any], rule: dict[str, Any]
) -> None:
    name = "score" if "score" in rule else "rating"
    source = parquet(there, {name: [None]}, {name: later}, **{name: name})
    assert both(tmp_path, source, curate=rule) == ["00000001"]


def test_files_that_disagree_are_refused_with_file_and_column(tmp_path: Path, there: Path) -> None:
    source = parquet(there, {"rating": [1]}, {"rating": ["01"]}, rating="rating")
    says = r"1\.parquet: holds string in the column 'rating', where a file before it holds int64"
    with pytest.raises(UsageError, match=says):
        both(tmp_path, source, curate={"ratings": ["1"]})


def test_columns_that_differ_in_case_alone_are_refused(tmp_path: Path, there: Path) -> None:
    source = parquet(there, {"Score": [9, 0], "score": [1, 7]}, score="score")
    with pytest.raises(UsageError, match="has the columns 'score' and 'Score'"):
        both(tmp_path, source, curate={"score": {"at_least": 5}})


def test_hashes_of_64_bits_with_and_without_a_sign_are_known(tmp_path: Path, there: Path) -> None:
    hashes = [5, 4, 2**63 + 77, 77 - 2**63, 2**62 + 1]
    source = folder_of(there, *({"phash": each} for each in hashes))
    kept = both(tmp_path, source, curate={"near_duplicates": 1})
    assert kept == ["0.png", "2.png", "4.png"]


def test_one_word_among_numbers_leaves_them_numbers(tmp_path: Path, there: Path) -> None:
    source = folder_of(there, *({"score": each} for each in (1e-7, "n/a", 3, -0.5, 10**400)))
    assert both(tmp_path, source, curate={"score": {"at_least": 0}}) == ["0.png", "2.png"]


@pytest.mark.parametrize("name", ["rule", "image", "file_row_number", "Source", "worn", "place"])
def test_a_fact_may_be_called_anything(tmp_path: Path, there: Path, name: str) -> None:
    both(tmp_path, folder_of(there, {name: "x"}, {name: "y"}))
    page = str(tmp_path / "page.yaml")
    curate(CurationRequest(page, tmp_path / "pictures", "parquet"), lambda made: "")
    assert pq.read_metadata(tmp_path / "pictures/pictures.parquet").num_rows == 2


def test_sets_whose_facts_disagree_are_joined_as_text(tmp_path: Path, there: Path) -> None:
    source = parquet(there, {"rating": ["s", "g"]}, rating="rating")
    (tmp_path / "more").mkdir()
    more = parquet(tmp_path / "more", {"rating": [1, 2]}, rating="rating")
    both(tmp_path, source, booster=more)
    ratings = pq.read_table(tmp_path / "set/curated.parquet")["rating"].to_pylist()
    assert ratings == ["s", "g", "1", "2"]


@pytest.mark.parametrize("sides", [["900", "no"], [900, 2**60 + 1]])
def test_sides_of_any_type_find_a_bucket(tmp_path: Path, there: Path, sides: list[Any]) -> None:
    source = parquet(there, {"width": sides, "height": [700, 700]}, width="width", height="height")
    both(tmp_path, source)
    buckets = pq.read_table(tmp_path / "set/curated.parquet")["bucket"].to_pylist()
    assert buckets[0] == "1024×1024"
    assert (buckets[1] is None) == (sides[1] == "no")


def test_a_name_without_letters_is_refused(tmp_path: Path, there: Path) -> None:
    source = folder_of(there, {})
    Path(os.fsdecode(os.fsencode(there) + b"/\x83\x8b.png")).write_bytes(picture())
    with pytest.raises(UsageError, match=r"whose name is not UTF-8: \\x83\\x8b.png"):
        both(tmp_path, source)


def test_marks_at_the_front_of_a_text_are_no_words(tmp_path: Path, there: Path) -> None:
    source = tar(there, txt="\ufeff1girl, solo".encode())
    assert both(tmp_path, source, curate={"tags": {"all_of": ["1girl"]}}) == ["0/a"]
    source = tar(there, json=b'\xef\xbb\xbf{"text": "1girl", "tags": 5}')
    assert both(tmp_path, source) == ["0/a"]


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.string()), pa.list_(pa.string(), 3), pa.large_list(pa.string())]
)
def test_lists_of_any_kind_are_tags_without_their_gaps(
    tmp_path: Path, there: Path, kind: pa.DataType
) -> None:
    source = parquet(there, {"tags": pa.array([["solo", None, ""]], kind)})
    source["tags"] = "tags"
    assert both(tmp_path, source, curate={"tags": {"any_of": ["solo"]}}) == ["00000000"]
    spec = Parquet.model_validate(source)
    assert next(iter(plugins.implementation(spec)(spec))).tags == ("solo",)
    assert pq.read_table(tmp_path / "set/curated.parquet")["tags"].to_pylist() == [["solo"]]


@pytest.mark.parametrize("path", ["../secret.png", "{root}/secret.png", "pipe", "gone.png"])
def test_no_cell_leads_out_of_its_set_or_to_what_is_no_file(there: Path, path: str) -> None:
    (there.parent / "secret.png").write_bytes(picture())
    os.mkfifo(there / "pipe")
    source = parquet(there, {"other": [1]})
    cell = path.format(root=there.parent)
    pq.write_table(pa.table({"image": [cell], "text": ["a"]}), there / "0.parquet")
    spec = Parquet.model_validate(source)
    (found,) = plugins.implementation(spec)(spec)
    assert found.read is not None
    with pytest.raises(FileNotFoundError, match="is no file of the set's own folder"):
        found.read()


def test_a_cell_of_bytes_alone_has_no_path(there: Path) -> None:
    source = parquet(there, {"other": [1]})
    image = pa.array([{"bytes": picture()}, {"bytes": None}])
    pq.write_table(pa.table({"image": image, "text": ["a", "b"]}), there / "0.parquet")
    assert Parquet.model_validate(source).fingerprint()["content"]


@pytest.mark.parametrize("letter", ["\x85", "\u2028", "\u2029", "\x0b", "\x1c"])
def test_letters_that_end_a_line_elsewhere_stay_in_a_caption(
    tmp_path: Path, there: Path, letter: str
) -> None:
    source = Folder.model_validate(folder_of(there, {"score": f"x{letter}y"}))
    (there / "metadata.csv").write_text(f"file_name,year\n0.png,c{letter}d\n", encoding="utf-8")
    collect(DataSpec(source=source), StageContext(tmp_path, {}))
    (entry,) = read_index(tmp_path)
    assert (entry.facts["score"], entry.facts["year"]) == (f"x{letter}y", f"c{letter}d")


def test_a_member_whose_name_has_no_letters_is_refused(there: Path) -> None:
    source = Webdataset.model_validate(tar(there))
    data = bytearray((there / "0.tar").read_bytes())
    data[0] = 0x83  # the first letter of the first member's name
    block = bytes(data[:148]) + b" " * 8 + bytes(data[156:512])
    data[148:156] = f"{sum(block):06o}\0 ".encode()
    (there / "0.tar").write_bytes(bytes(data))
    with pytest.raises(UsageError, match=r"a file whose name is not UTF-8: \\x83"):
        list(source.ids())
