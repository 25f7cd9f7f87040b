"""A page becomes a set on disk: the rows that training would take, in forms that others read."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from running import Command

from harness import plugins
from harness.data.buckets import nearest, nearest_each, shapes
from harness.data.curation.boosters import drawn
from harness.data.curation.by_row import select
from harness.data.curation.captions import write_caption
from harness.data.specs import Parquet, Webdataset
from harness.errors import PageError, UsageError
from harness.interfaces import SourceSpec
from harness.pages.stages import DataSpec
from harness.pages.train import Buckets
from harness.pipeline.curate import CurationRequest, curate, load
from harness.report.curation import curation_page

PAGE: dict[str, Any] = {
    "schema_version": 1,
    "name": "faces",
    "summary": "Faces with <script>alert(1)</script>.",
    "data": {
        "source": {"use": "pocket", "set": "faces", "count": 120},
        "curate": {"min_side": 768, "ratings": ["general", "safe"], "score": {"at_least": -5}},
        "caption": {"words": "tags+caption", "prefix": "masterpiece", "year": True},
    },
    "buckets": {"longest": 2048, "shortest": 512},
}
BOOSTERS = [
    {"source": {"use": "pocket", "set": "ninja", "count": 120}, "weight": 0.25},
    {"source": {"use": "pocket", "set": "faces", "first": 500, "count": 60}, "weight": 0.1},
]


def page(folder: Path, **data: Any) -> str:
    """Write a page, with `data` in place of parts of its data section."""
    file = folder / "faces.yaml"
    file.write_text(json.dumps({**PAGE, "data": {**PAGE["data"], **data}}))
    return str(file)


def made(config: str, folder: Path, **order: Any) -> Any:
    return curate(CurationRequest(config, folder / "set", **order), curation_page)


def rows(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(folder / "set/curated.parquet").to_pylist()
    return found


@pytest.mark.parametrize("boosters", [[], BOOSTERS], ids=["alone", "boosted"])
@pytest.mark.parametrize("limit", [None, 30])
def test_the_set_is_what_training_would_collect(
    boosters: list[Any], limit: int | None, tmp_path: Path
) -> None:
    rules = {**PAGE["data"]["curate"], "limit": limit, "subset": {"share": 0.8}}
    config = page(tmp_path, boosters=boosters, curate=rules, part="train")
    document = made(config, tmp_path).document
    data, dropped = load(config)[0].data, Counter[str]()
    spec = DataSpec(source=data.source, boosters=data.boosters, part=data.part, curate=data.curate)
    expected = [(each.id, write_caption(each, data.caption)) for each in select(spec, dropped)]
    assert [(row["id"], row["prompt"]) for row in rows(tmp_path)] == expected
    assert document["dropped"] == dropped
    assert document["kept"] == len(expected) > 0


def test_a_booster_makes_up_its_share_of_the_whole(tmp_path: Path) -> None:
    document = made(page(tmp_path, boosters=BOOSTERS), tmp_path).document
    kept = [each["kept"] for each in document["sources"]]
    assert kept[1] == round(kept[0] * 0.25 / 0.65)
    assert kept[2] == round(kept[0] * 0.1 / 0.65)
    assert [row["source"] for row in rows(tmp_path)] == sorted(
        at for at, many in enumerate(kept) for _ in range(many)
    )


def test_which_rows_of_a_booster_are_drawn_depends_on_their_ids_alone() -> None:
    ids = [f"post {at}" for at in range(50)]
    some = {ids[place] for place in drawn(ids, 0, 10)}
    assert some == {ids[::-1][place] for place in drawn(ids[::-1], 0, 10)}
    assert some < {ids[place] for place in drawn(ids, 0, 11)}
    assert some != {ids[place] for place in drawn(ids, 1, 10)}


def test_a_booster_that_is_too_small_for_its_weight_is_refused(tmp_path: Path) -> None:
    small = [{"source": {"use": "pocket", "set": "ninja", "count": 4}, "weight": 0.5}]
    with pytest.raises(UsageError, match=r"needs .* of boosters\[0\], where . pass"):
        made(page(tmp_path, boosters=small), tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["faces.yaml"]


def test_weights_that_leave_nothing_of_the_main_set_are_refused(tmp_path: Path) -> None:
    heavy = [{**BOOSTERS[0], "weight": 0.6}, {**BOOSTERS[1], "weight": 0.4}]
    with pytest.raises(PageError, match="have weights that sum to 1: the sum must be below 1"):
        made(page(tmp_path, boosters=heavy), tmp_path)


def test_a_second_run_makes_nothing_until_the_page_or_the_form_changes(tmp_path: Path) -> None:
    config = page(tmp_path)
    first = made(config, tmp_path)
    stamp = (tmp_path / "set/curated.parquet").stat().st_mtime_ns
    assert not first.reused
    assert made(config, tmp_path).reused
    assert (tmp_path / "set/curated.parquet").stat().st_mtime_ns == stamp
    assert not made(config, tmp_path, again=True).reused
    assert not made(config, tmp_path, form="folder").reused
    assert not made(page(tmp_path, part="train"), tmp_path, form="folder").reused
    assert sorted(file.name for file in tmp_path.iterdir()) == ["faces.yaml", "set"]


def test_the_same_page_gives_the_same_bytes(tmp_path: Path) -> None:
    config = page(tmp_path, boosters=BOOSTERS)
    for name in ("one", "two"):
        curate(CurationRequest(config, tmp_path / name), curation_page)
    for file in ("curated.parquet", "report.json", "report.html"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set/thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="is no curated set and would be overwritten"):
        made(page(tmp_path), tmp_path, again=True)
    assert (tmp_path / "set/thesis.txt").read_text() == "years of work"


def test_rules_that_leave_nothing_say_which_rule_it_was(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no row is left of 120: \{'min_side': 120\}"):
        made(page(tmp_path, curate={"min_side": 9000}), tmp_path)
    assert not (tmp_path / "set").exists()


def test_near_duplicates_without_hashes_point_to_the_rule_that_looks(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="compares the fact phash, which the source pocket has"):
        made(page(tmp_path, curate={"near_duplicates": 2}), tmp_path)


def test_collecting_looks_at_pictures_whose_metadata_has_no_hash(tmp_path: Path) -> None:
    for name, colour in (("a", 0), ("b", 0), ("c", 255)):
        image = np.zeros((16, 18), np.uint8)
        image[:, 9:] = 200
        Image.fromarray(image if colour == 0 else image[:, ::-1]).save(tmp_path / f"{name}.png")
    (tmp_path / "d.png").write_bytes(b"no picture")
    source = {"use": "folder", "path": str(tmp_path)}
    spec = DataSpec.model_validate({"source": source, "curate": {"near_duplicates": 2}})
    dropped: Counter[str] = Counter()
    assert [each.id for each in select(spec, dropped)] == ["a.png", "c.png", "d.png"]
    assert dropped == {"near_duplicates": 1}


READERS: dict[str, Any] = {
    "webdataset": lambda folder: Webdataset(use="webdataset", files=str(folder / "shards/*.tar")),
    "parquet": lambda folder: Parquet(
        use="parquet",
        files=str(folder / "pictures.parquet"),
        id="id",
        text="prompt",
        tags="tags",
        facts={"score": "score"},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("form", ["folder", *READERS])
def test_the_pictures_are_written_in_order_each_with_its_prompt(form: str, tmp_path: Path) -> None:
    config = page(tmp_path, boosters=BOOSTERS)
    document = made(config, tmp_path, form=form).document
    data, folder = load(config)[0].data, tmp_path / "set"
    spec = DataSpec(source=data.source, boosters=data.boosters, curate=data.curate)
    expected = list(select(spec, Counter()))
    assert document["exported"] == {"to": form, "pictures": len(expected), "unreadable": {}}
    if form == "folder":
        images = [Image.open(file) for file in sorted((folder / "images").iterdir())]
        texts = [file.read_text() for file in sorted((folder / "captions").iterdir())]
        assert (folder / "images/00000000.png").is_file()
        assert (folder / "captions/00000000.txt").is_file()
    else:
        read = read_back(READERS[form](folder))
        images, texts = [each.open() for each in read], [each.text for each in read]
    assert texts == [write_caption(each, data.caption) for each in expected]
    for image, each in zip(images, expected, strict=True):
        assert np.array_equal(np.asarray(image.convert("RGB")), np.asarray(each.open()))


def read_back(source: SourceSpec) -> list[Any]:
    return list(plugins.implementation(source)(source))


def test_a_picture_that_cannot_be_read_is_counted_and_left_out(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a", "b", "c"):
        Image.new("RGB", (8, 8), "red").save(tmp_path / f"in/{name}.png")
        (tmp_path / f"in/{name}.txt").write_text(f"a {name}")
    (tmp_path / "in/b.png").write_bytes(b"<html>404</html>")
    source = {"use": "folder", "path": str(tmp_path / "in")}
    config = page(tmp_path, source=source, curate={}, caption={})
    document = made(config, tmp_path, form="folder").document
    assert document["exported"] == {
        "to": "folder",
        "pictures": 2,
        "unreadable": {"not-an-image": 1},
    }
    texts = [file.read_text() for file in sorted((tmp_path / "set/captions").iterdir())]
    assert texts == ["a a", "a c"]


def metadata(folder: Path) -> str:
    table = pa.table(
        {
            "caption": ["one", "two", None],
            "width": [800, 1200, 900],
            "height": [800, 900, 100],
            "rating": ["safe", "<b>general</b>", "safe"],
        }
    )
    pq.write_table(table, folder / "posts.parquet")
    source = {
        "use": "parquet",
        "files": str(folder / "posts.parquet"),
        "text": "caption",
        "facts": {"width": "width", "height": "height", "rating": "rating"},
    }
    return page(folder, source=source, curate={"min_side": 768}, caption={})


def test_metadata_without_pictures_is_curated_and_reported(tmp_path: Path) -> None:
    found = made(metadata(tmp_path), tmp_path)
    assert [(row["id"], row["prompt"], row["bucket"]) for row in rows(tmp_path)] == [
        ("00000000", "one", "1024×1024"),
        ("00000001", "two", "1152×896"),
    ]
    assert found.sheet == ()
    assert found.document["funnel"] == [
        {"rule": "all rows", "left": 3, "dropped": 0},
        {"rule": "min_side", "left": 2, "dropped": 1},
    ]


def test_metadata_without_pictures_cannot_be_written_as_pictures(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there are no pictures to write"):
        made(metadata(tmp_path), tmp_path, form="webdataset")
    assert not (tmp_path / "set").exists()


def test_the_page_says_what_was_dropped_and_escapes_what_users_wrote(tmp_path: Path) -> None:
    made(page(tmp_path), tmp_path)
    text = (tmp_path / "set/report.html").read_text()
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert text.count("data:image/webp") == 24
    assert "min_side" in text
    assert "http://" not in text.replace("http://www.w3.org", "")
    made(metadata(tmp_path), tmp_path)
    assert "<b>general" not in (tmp_path / "set/report.html").read_text()


def test_a_bucket_is_the_one_that_training_would_choose() -> None:
    fits = shapes(Buckets(longest=2048, shortest=512), 1024)
    sides = np.random.default_rng(0).integers(200, 3000, (2, 3000))
    ratios = sides[0] / sides[1]
    places = nearest_each(ratios, fits)
    assert [fits[place] for place in places] == [nearest(float(each), fits) for each in ratios]


def test_of_a_recipe_the_data_section_is_taken_and_said() -> None:
    found, chosen = load("animagine-xl-2")
    assert found.buckets == Buckets(longest=2048, shortest=512)
    assert chosen == (
        "the data section of the recipe animagine-xl-2; what 2 of its phases choose for "
        "themselves is not"
    )
    with pytest.raises(UsageError, match="the recipe sdxl-base has no data"):
        load("sdxl-base")


def test_the_command_prints_one_document_and_says_what_it_took(
    command: Command, tmp_path: Path
) -> None:
    ran = command("curate", page(tmp_path), "--out", tmp_path / "set", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["path"] == str(tmp_path / "set")
    assert ran.json["kept"] + sum(ran.json["dropped"].values()) == 120
    assert "took the page faces.yaml" in ran.err
    again = command("curate", page(tmp_path), "--out", tmp_path / "set")
    assert "is there already, unchanged" in again.out
    assert command("curate", "nowhere").code == 2


def test_a_set_that_lost_a_part_is_made_again(tmp_path: Path):
    config = page(tmp_path)
    made(config, tmp_path, form="folder")
    assert made(config, tmp_path, form="folder").reused
    (tmp_path / "set/curated.parquet").unlink()
    assert not made(config, tmp_path, form="folder").reused
    for file in (tmp_path / "set/captions").iterdir():
        file.unlink()
    (tmp_path / "set/captions").rmdir()
    assert not made(config, tmp_path, form="folder").reused


def test_a_file_of_somebody_elses_is_never_removed(tmp_path: Path):
    config = page(tmp_path)
    made(config, tmp_path)
    notes = tmp_path / "set/notes.txt"
    notes.write_text("mine")
    assert made(config, tmp_path).reused
    with pytest.raises(UsageError, match=r"also holds notes\.txt, which would be lost"):
        made(config, tmp_path, again=True)
    assert notes.read_text() == "mine"


@pytest.mark.parametrize("out", [".", ".."])
def test_the_folder_one_stands_in_is_no_place_for_a_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
):
    config = page(tmp_path)
    (tmp_path / "inside/deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "inside/deep")
    with pytest.raises(UsageError, match="is where you are"):
        curate(CurationRequest(config, Path(out)), curation_page)
