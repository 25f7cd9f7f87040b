"""Where pictures come from: the same rows from a folder, Parquet, tar shards and the hub."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from harness import plugins
from harness.data.sources.file_patterns import spelt_out
from harness.data.sources.provenance import origin
from harness.data.sources.tables import tables
from harness.data.specs import Folder, Hub, Parquet, Webdataset
from harness.data.tags import tags_column, tags_of
from harness.errors import HarnessError, MissingPrerequisite, UsageError
from harness.interfaces import Picture, SourceSpec
from harness.pocket.world import row

ROWS = 7


def png(number: int) -> bytes:
    stream = io.BytesIO()
    row("ninja", number).image().save(stream, "PNG")
    return stream.getvalue()


def pictures(spec: SourceSpec) -> list[Picture]:
    return list(plugins.implementation(spec)(spec))


def parquet_file(file: Path, image: Sequence[Any], **columns: Sequence[Any]) -> Path:
    table = pa.table({"image": pa.array(image), **columns})
    pq.write_table(table, file, row_group_size=3)
    return file


def words(start: int = 0, count: int = ROWS) -> dict[str, list[Any]]:
    rows = [row("ninja", at) for at in range(start, start + count)]
    return {
        "caption": [each.caption for each in rows],
        "tag_string": [", ".join(each.tags) for each in rows],
        "score": [each.score for each in rows],
    }


@pytest.fixture
def parquet(tmp_path: Path) -> Parquet:
    """Seven rows in two files, pictures as the hub has them."""
    for part, (start, count) in enumerate(((0, 4), (4, 3))):
        cells = [{"bytes": png(at), "path": f"{at}.png"} for at in range(start, start + count)]
        parquet_file(tmp_path / f"part-{part:03d}.parquet", cells, **words(start, count))
    return Parquet(
        use="parquet",
        files=str(tmp_path / "part-{000..001}.parquet"),
        text="caption",
        tags="tag_string",
        facts={"score": "score"},
    )


@pytest.fixture
def hub(parquet: Parquet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """The same rows as a data set that `datasets` loads from a folder."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    root = tmp_path / "set"
    (root / "data").mkdir(parents=True)
    for part in range(2):
        shutil.copy(tmp_path / f"part-{part:03d}.parquet", root / f"data/train-{part:05d}.parquet")
    (root / "README.md").write_text("---\nlicense: cc-by-4.0\n---\n# Ninjas\n")
    return Hub(use="hub", id=str(root), text="caption", tags="tag_string", facts={"score": "score"})


def check_rows(spec: SourceSpec, facts: Callable[[Picture], Any] = lambda each: each) -> None:
    found = pictures(spec)
    assert len(found) == ROWS
    for at, each in enumerate(found):
        drawn = row("ninja", at)
        assert (each.text, each.tags) == (drawn.caption, drawn.tags)
        assert (each.facts or {})["score"] == drawn.score
        assert each.open().convert("RGB").tobytes() == drawn.image().tobytes()
        assert each.read is not None
        assert each.read() == png(at)
    told = pa.Table.from_batches(tables(spec))
    assert told.schema.names[:3] == ["id", "text", "tags"]
    assert told["id"].to_pylist() == [each.id for each in found]
    assert told["text"].to_pylist() == [each.text for each in found]
    assert told["tags"].to_pylist() == [list(each.tags) for each in found]
    assert told["score"].to_pylist() == [row("ninja", at).score for at in range(ROWS)]


def test_parquet_files_give_their_rows_in_order(parquet: Parquet) -> None:
    check_rows(parquet)
    assert parquet.size() == ROWS
    assert list(parquet.ids()) == [each.id for each in pictures(parquet)]


@pytest.mark.parametrize("streaming", [None, True])
def test_a_set_of_the_hub_gives_the_same_rows_whole_or_streamed(
    hub: Hub, streaming: bool | None
) -> None:
    check_rows(hub.model_copy(update={"streaming": streaming}))


@pytest.mark.parametrize("streaming", [None, False])
def test_a_limit_ends_a_set_of_the_hub(hub: Hub, streaming: bool | None) -> None:
    some = hub.model_copy(update={"limit": 5, "streaming": streaming})
    assert [each.id for each in pictures(some)] == list(some.ids())
    assert pa.Table.from_batches(tables(some)).num_rows == 5


def test_a_broken_picture_of_the_hub_stops_no_row_behind_it(hub: Hub, tmp_path: Path) -> None:
    cells = [{"bytes": png(0)[:60], "path": "cut.png"}, {"bytes": png(1), "path": "ok.png"}]
    shutil.rmtree(tmp_path / "set" / "data")
    (tmp_path / "set" / "data").mkdir()
    parquet_file(tmp_path / "set/data/train-00000.parquet", cells, caption=["a", "b"])
    found = pictures(Hub(use="hub", id=hub.id, text="caption"))
    assert len(found) == 2
    assert found[1].open().size == (64, 64)


def test_paths_in_a_parquet_file_lead_from_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for at in range(2):
        (tmp_path / f"images/{at}.png").write_bytes(png(at))
    file = parquet_file(
        tmp_path / "set.parquet", ["images/0.png", "images/1.png", None], id=[7, 8, 9]
    )
    spec = Parquet(use="parquet", files=str(file), id="id")
    found = pictures(spec)
    assert [each.id for each in found] == list(spec.ids()) == ["7", "8", "9"]
    assert found[1].open().tobytes() == row("ninja", 1).image().tobytes()
    with pytest.raises(FileNotFoundError):
        found[2].open()
    before = spec.fingerprint()
    (tmp_path / "images/1.png").write_bytes(png(2))
    assert spec.fingerprint() != before, "a picture beside the file is part of the set"


def test_bytes_without_a_struct_are_pictures_too(tmp_path: Path) -> None:
    file = parquet_file(tmp_path / "set.parquet", [png(0), png(1)])
    found = pictures(Parquet(use="parquet", files=str(file)))
    assert [each.open().size for each in found] == [(64, 64)] * 2
    assert [each.text for each in found] == ["", ""]


def test_words_are_told_without_reading_the_column_of_pictures(
    parquet: Parquet, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    plain = pq.ParquetFile.iter_batches

    def watched(whole: pq.ParquetFile, rows: int, columns: list[str]) -> Any:
        asked.append(columns)
        return plain(whole, rows, columns=columns)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", watched)
    assert pa.Table.from_batches(tables(parquet)).num_rows == ROWS
    assert asked == [["caption", "tag_string", "score"]] * 2


def test_a_large_parquet_file_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    cells = [bytes([at % 251]) * 1_000_000 for at in range(48)]
    file = tmp_path / "large.parquet"
    pq.write_table(
        pa.table({"image": cells}), file, row_group_size=8, compression="none", use_dictionary=False
    )
    del cells
    spec, before, most = Parquet(use="parquet", files=str(file)), pa.total_allocated_bytes(), 0
    for at, each in enumerate(plugins.implementation(spec)(spec)):
        assert each.read()[:2] == bytes([at % 251]) * 2
        most = max(most, pa.total_allocated_bytes() - before)
    assert 0 < most < 36_000_000, "sixteen rows and what reads ahead, of forty-eight megabytes"


def shard(file: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(file, "w") as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return file


@pytest.fixture
def shards(tmp_path: Path) -> Webdataset:
    for part, numbers in enumerate((range(4), range(4, ROWS))):
        members: dict[str, bytes] = {}
        for at in numbers:
            drawn = row("ninja", at)
            members[f"set/{at:04d}.png"] = png(at)
            members[f"set/{at:04d}.txt"] = drawn.caption.encode()
            told = {"tags": list(drawn.tags), "score": drawn.score}
            members[f"set/{at:04d}.json"] = json.dumps(told).encode()
            members[f"set/{at:04d}.cls"] = b"3"
        shard(tmp_path / f"ninja-{part:05d}.tar", {"set/notes.md": b"no row", **members})
    return Webdataset(use="webdataset", files=str(tmp_path / "ninja-*.tar"))


def test_tar_shards_give_rows_by_the_names_of_their_members(shards: Webdataset) -> None:
    check_rows(shards)
    found = pictures(shards)
    assert found[0].id == "ninja-00000/set/0000"
    assert found[4].id == "ninja-00001/set/0004"
    assert (found[0].facts or {})["cls"] == "3"
    assert shards.size() == ROWS
    assert list(shards.ids()) == [each.id for each in found]


def test_a_row_of_a_shard_may_say_everything_in_json(tmp_path: Path) -> None:
    told = json.dumps({"caption": "a ninja", "tags": "red_hair smile"}).encode()
    file = shard(tmp_path / "a.tar", {"1.jpg": png(1), "1.json": told, "2.txt": b"no picture"})
    found = pictures(Webdataset(use="webdataset", files=str(file)))
    assert [(each.text, each.tags) for each in found] == [("a ninja", ("red_hair", "smile"))]


def test_a_shard_that_is_cut_off_or_packed_is_refused_by_name(
    shards: Webdataset, tmp_path: Path
) -> None:
    whole = tmp_path / "ninja-00001.tar"
    data = whole.read_bytes()
    whole.write_bytes(data[: len(data) // 2 + 100])
    with pytest.raises(UsageError, match=r"ninja-00001\.tar: is no plain tar file"):
        pictures(shards)
    whole.write_bytes(gzip.compress(data))
    with pytest.raises(UsageError, match=r"unpack \.tar\.gz to \.tar"):
        pictures(shards)


def test_a_folder_is_read_with_the_folders_inside_where_asked(tmp_path: Path) -> None:
    for name in ("a.png", "ink/b.png", "ink/deep/c.PNG", ".thumbs/d.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(png(0))
    (tmp_path / "ink/b.txt").write_text("of a text file")
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "ink/b.png", "year": 2019}\n')
    (tmp_path / "ink/deep/metadata.csv").write_text("file_name,text\nc.PNG,of a table\n")
    flat, deep = (
        Folder(use="folder", path=str(tmp_path), recursive=each) for each in (False, True)
    )
    (tmp_path / "nowhere.png").symlink_to(tmp_path / "gone.png")
    os.mkfifo(tmp_path / "pipe.png")
    assert [each.id for each in pictures(flat)] == ["a.png"] == list(flat.ids())
    found = pictures(deep)
    assert [each.id for each in found] == ["a.png", "ink/b.png", "ink/deep/c.PNG"]
    assert [each.text for each in found] == ["", "of a text file", "of a table"]
    assert (found[1].facts or {})["year"] == 2019
    assert (flat.size(), deep.size()) == (1, 3)


def test_a_table_beside_pictures_gives_words_and_typed_facts(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(0))
    with (tmp_path / "metadata.csv").open("w", newline="", encoding="utf-8-sig") as stream:
        csv.writer(stream).writerows(
            [
                ["file_name", "text", "tags", "score", "aesthetic", "rating", "code", "empty"],
                ["a.png", 'a "face",\nsmiling', "1girl, smile", "-3", "6.5", "general", "007", ""],
            ]
        )
    found = pictures(Folder(use="folder", path=str(tmp_path)))[0]
    assert found.captions == ('a "face",', "smiling")
    assert found.tags == ("1girl", "smile")
    facts = dict(found.facts or {})
    assert (facts["score"], facts["aesthetic"], facts["rating"]) == (-3, 6.5, "general")
    assert facts["code"] == "007", "zeros in front are no number's"
    assert "empty" not in facts


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("file_name,text\na.png,one,two\n", r"metadata\.csv:2: has another number of cells"),
        ("name,text\na.png,one\n", r"metadata\.csv:2: has no file_name"),
        ('file_name,text\na.png,"one\n', r"metadata\.csv:\d: is not CSV"),
    ],
)
def test_a_table_that_does_not_hold_is_refused_by_line(
    tmp_path: Path, table: str, says: str
) -> None:
    (tmp_path / "a.png").write_bytes(png(0))
    (tmp_path / "metadata.csv").write_text(table)
    with pytest.raises(UsageError, match=says):
        pictures(Folder(use="folder", path=str(tmp_path)))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"text": "words"}, "has no column 'words'"),
        ({"image": "picture"}, "no column 'picture'"),
        ({"facts": {"rating": "rated"}}, "has no column 'rated'"),
    ],
)
def test_a_column_that_is_not_there_is_named_beside_those_that_are(
    parquet: Parquet, hub: Hub, change: dict[str, Any], says: str
) -> None:
    for spec in (parquet, hub, hub.model_copy(update={"streaming": True})):
        with pytest.raises(UsageError, match=says) as found:
            pictures(spec.model_copy(update=change))
        assert "caption, tag_string" in str(found.value)


@pytest.mark.parametrize("word", ["parquet", "webdataset"])
def test_files_that_are_not_there_can_be_planned_and_not_read(word: str, tmp_path: Path) -> None:
    spec = plugins.specs("sources")[word].model_validate(
        {"use": word, "files": str(tmp_path / "{a,b}-*.bin")}
    )
    assert isinstance(spec, SourceSpec)
    assert spec.size() is None
    assert spec.fingerprint()["use"] == word
    with pytest.raises(UsageError, match=r"no file .*a-\*\.bin \(and 1 more\)"):
        pictures(spec)


def test_a_parquet_file_with_a_changed_byte_is_refused_by_its_name(tmp_path: Path) -> None:
    names = [f"row-{at}" for at in range(9)]
    file = parquet_file(tmp_path / "set.parquet", [png(number) for number in range(9)], id=names)
    spec = Parquet(use="parquet", files=str(file), id="id")
    data, told = file.read_bytes(), set()
    for at in range(4, len(data), len(data) // 60):
        file.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        for read in (pictures, lambda each: list(each.ids())):
            try:
                read(spec)
            except UsageError as error:
                told.add((*str(error).partition(": ")[:1], "holds rows" in str(error)))
    # Where the file is opened, and where its rows are read.
    assert told == {(str(file), True), (str(file), False)}


def test_what_is_no_parquet_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("words")
    with pytest.raises(UsageError, match=r"a\.parquet: is no Parquet file"):
        pictures(Parquet(use="parquet", files=str(tmp_path / "a.parquet")))


def test_a_set_that_the_hub_does_not_give_is_refused_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(MissingPrerequisite, match=r"cannot be loaded.*hf download"):
        pictures(Hub(use="hub", id=str(tmp_path / "nowhere")))


def test_a_set_in_the_hubs_cache_tells_its_revision_and_licence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    kept, commit = tmp_path / "datasets--someone--ink", "4f" * 20
    (kept / "refs").mkdir(parents=True)
    (kept / "refs/main").write_text(commit)
    (kept / "snapshots" / commit).mkdir(parents=True)
    (kept / "snapshots" / commit / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    found = origin(Hub(use="hub", id="someone/ink"))
    assert (found["revision"], found["licence"]) == (commit, "apache-2.0")
    assert found["name"] == "someone/ink"
    unknown = origin(Hub(use="hub", id="someone/else", revision="abc"))
    assert unknown["revision"] == "abc"
    assert "licence" not in unknown
    assert "licence" not in origin(Hub(use="hub", id="no//id"))


def test_the_content_is_the_fingerprint_wherever_it_lies(
    parquet: Parquet, shards: Webdataset, hub: Hub, tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    for file in (*tmp_path.glob("*.parquet"), *tmp_path.glob("*.tar")):
        shutil.copy(file, moved / file.name)
    for spec, pattern in ((parquet, "part-*.parquet"), (shards, "ninja-*.tar")):
        there = spec.model_copy(update={"files": str(moved / pattern)})
        assert there.fingerprint() == spec.fingerprint()
    shutil.copytree(hub.id, moved / "set")
    assert hub.model_copy(update={"id": str(moved / "set")}).fingerprint() == hub.fingerprint()
    before = [parquet.fingerprint(), shards.fingerprint(), hub.fingerprint()]
    parquet_file(tmp_path / "part-001.parquet", [png(9)] * 3, **words(4, 3))
    shard(tmp_path / "ninja-00001.tar", {"1.png": png(9)})
    parquet_file(Path(hub.id) / "data/train-00001.parquet", [png(9)] * 3, **words(4, 3))
    after = [parquet.fingerprint(), shards.fingerprint(), hub.fingerprint()]
    assert all(one != other for one, other in zip(before, after, strict=True))


@given(st.lists(st.text(alphabet="ab_, \t\n") | st.none(), max_size=6))
def test_tags_of_a_column_are_the_tags_of_its_cells(cells: list[str | None]) -> None:
    found = tags_column(pa.array(cells, pa.string())).to_pylist()
    assert found == [tags_of(cell) for cell in cells]


def test_braces_are_spelt_out_and_not_without_end() -> None:
    assert spelt_out("a-{08..11}.{tar,bin}") == [
        f"a-{number}.{kind}" for number in ("08", "09", "10", "11") for kind in ("tar", "bin")
    ]
    assert spelt_out("plain") == ["plain"]
    with pytest.raises(HarnessError, match="more than 100000"):
        spelt_out("{0..999999999}")


def test_a_source_tells_no_pixels_of_a_picture_that_nobody_opens(shards: Webdataset) -> None:
    data = Image.open(io.BytesIO(png(0)))
    assert data.size == (64, 64)
    for file in Path(shards.files).parent.glob("*.tar"):
        whole = bytearray(file.read_bytes())
        at = whole.find(b"\x89PNG")
        whole[at : at + 200] = b"\0" * 200
        file.write_bytes(bytes(whole))
    assert pa.Table.from_batches(tables(shards)).num_rows == ROWS
