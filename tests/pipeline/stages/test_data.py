"""Collecting pictures: what is kept of each, and what becomes of those that cannot be read."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from PIL import Image

from harness.errors import UsageError
from harness.interfaces import StageContext
from harness.keys import version_of
from harness.pages.stages import DataSpec
from harness.pipeline.stages.data import collect
from harness.pipeline.stages.files import read_index


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three good pictures and two bad ones, with several captions and a weight in the metadata."""
    root = tmp_path / "drawings"
    root.mkdir()
    for name in ("a", "b", "c"):
        Image.new("RGB", (70, 64), "red").save(root / f"{name}.png")
    (root / "cut.png").write_bytes((root / "a.png").read_bytes()[:40])
    (root / "words.jpg").write_text("not a picture")
    (root / "b.txt").write_text("first caption\n\nsecond caption\n")
    lines = [
        {"file_name": "a.png", "text": ["one", "two"], "weight": 0.5, "score": 160},
        {"file_name": "c.png", "text": "plain", "tags": "1girl, smile"},
    ]
    (root / "metadata.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    return root


def collected(folder: Path, out: Path) -> Path:
    out.mkdir()
    spec = DataSpec.model_validate({"source": {"use": "folder", "path": str(folder)}})
    collect(spec, StageContext(out, {}))
    return out


def test_what_is_known_of_a_picture_goes_with_it(folder: Path, tmp_path: Path):
    found = {entry.id: entry for entry in read_index(collected(folder, tmp_path / "out"))}
    assert found["a.png"].captions == ("one", "two")
    assert found["a.png"].weight == 0.5
    assert found["a.png"].facts["score"] == 160
    assert found["b.png"].captions == ("first caption", "second caption")
    assert found["b.png"].text == "first caption"
    assert (found["c.png"].text, found["c.png"].tags) == ("plain", ("1girl", "smile"))
    assert found["c.png"].captions == ()


def test_a_picture_that_cannot_be_read_is_named_counted_and_left_out(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.WARNING):
        out = collected(folder, tmp_path / "out")
    assert "left out: 1 not-an-image (words.jpg); 1 truncated (cut.png)" in caplog.text
    report = json.loads((out / "report.json").read_text())
    assert (report["kept"], report["dropped"]) == (3, {"truncated": 1, "not-an-image": 1})
    assert report["pictures"]["dropped"]["truncated"] == {
        "count": 1,
        "rule": "the file is cut off",
        "first": ["cut.png"],
    }
    left = {entry.id: entry.file for entry in read_index(out)}
    assert left["cut.png"] is left["words.jpg"] is None
    assert len(list((out / "images").iterdir())) == 3


@pytest.mark.parametrize(
    ("head", "licence"),
    [
        ("---\nlicense: cc-by-4.0\ntags: [ninja]\n---\n# Ninjas\n", "cc-by-4.0"),
        ("---\nlicense: [mit, other]\n---\n", "mit, other"),
        ("# No head\n", None),
        ("---\nlicense: [mit\n---\n", None),
        ("---\n- mit\n---\n", None),
    ],
)
def test_the_report_says_where_the_set_comes_from_and_under_which_licence(
    folder: Path, tmp_path: Path, head: str, licence: str | None
):
    (folder / "README.md").write_text(head)
    place = StageContext(tmp_path, {})
    spec = DataSpec.model_validate({"source": {"use": "folder", "path": str(folder)}})
    collect(spec, place)
    said = json.loads((tmp_path / "report.json").read_text())["sources"]
    expected = {"use": "folder", "name": folder.name, "version": version_of(spec.source)}
    assert said == [{**expected, "licence": licence} if licence else expected]
    assert place.notes["sources"] == said


@pytest.mark.parametrize("weight", ['"heavy"', "-1", "null", "NaN"])
def test_a_weight_that_is_no_number_is_refused_by_name(folder: Path, tmp_path: Path, weight: str):
    (folder / "metadata.jsonl").write_text(f'{{"file_name": "a.png", "weight": {weight}}}')
    with pytest.raises(UsageError, match=r"a\.png: weight is no number"):
        collected(folder, tmp_path / "out")
