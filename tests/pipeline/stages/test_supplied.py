"""Images that were made elsewhere: what becomes of their files, and that no others are taken."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from damage import DAMAGES, Damage, drawing, png
from PIL import Image
from strangers.pictures import EPS, huge_png

from harness.data.supplied import read_supplied
from harness.errors import UsageError
from harness.interfaces import StageContext
from harness.pages.benchmark import Judgement
from harness.pages.benchmark import load as load_benchmark
from harness.pages.stages import SuppliedSpec
from harness.pipeline.stages.files import Entry, read_index
from harness.pipeline.stages.sample import sample
from harness.pipeline.stages.score import account

KEPT = [damage for damage in DAMAGES if damage.shows is not None and damage.extension != ".gif"]


@pytest.fixture(scope="module")
def judgement() -> Judgement:
    return load_benchmark("pocket-v1")


def supplied(folder: Path, judgement: Judgement) -> SuppliedSpec:
    files = sorted(file.name for file in folder.iterdir() if file.suffix != ".jsonl")
    lines = [json.dumps({"file": name, "prompt": f"prompt of {name}"}) for name in files]
    (folder / "prompts.jsonl").write_text("\n".join(lines))
    return read_supplied(folder, folder / "prompts.jsonl", judgement)


def copied(spec: SuppliedSpec, out: Path) -> list[Entry]:
    out.mkdir()
    sample(spec, StageContext(out, {}))
    return read_index(out)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "images"
    place.mkdir()
    return place


@pytest.mark.parametrize("damage", KEPT, ids=lambda damage: f"{damage.kind}{damage.extension}")
def test_each_kind_of_picture_is_read_as_training_data_is(
    damage: Damage, folder: Path, tmp_path: Path, judgement: Judgement
) -> None:
    (folder / f"a{damage.extension}").write_bytes(damage.make(drawing(3)))
    (entry,) = copied(supplied(folder, judgement), tmp_path / "out")
    assert damage.kind in entry.kinds
    with Image.open(tmp_path / "out" / str(entry.file)) as image:
        seen = np.asarray(image, np.int16)
    assert damage.shows is not None
    assert np.abs(seen - damage.shows(drawing(3)).astype(np.int16)).max() <= damage.within


def test_kinds_are_counted_in_the_result_and_told(
    folder: Path, tmp_path: Path, judgement: Judgement, caplog: pytest.LogCaptureFixture
) -> None:
    by_kind = {damage.kind: damage for damage in KEPT}
    for number, kind in enumerate(("16-bit", "rgba", "rgba")):
        (folder / f"{number}.png").write_bytes(by_kind[kind].make(drawing(number)))
    (folder / "plain.png").write_bytes(png(drawing(9)))
    entries = copied(supplied(folder, judgement), tmp_path / "out")
    assert account(entries).kinds == {"16-bit": 1, "rgba": 2}
    assert "2 supplied images are rgba: converted to RGB on white" in caplog.text


def test_what_cannot_be_read_is_named_with_its_kind(
    folder: Path, tmp_path: Path, judgement: Judgement
) -> None:
    (folder / "ok.png").write_bytes(png(drawing(0)))
    (folder / "page.png").write_bytes(b"<!DOCTYPE html>")
    (folder / "ps.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n")
    reasons = {
        entry.id: entry.reason for entry in copied(supplied(folder, judgement), tmp_path / "o")
    }
    named = sorted(reason for reason in reasons.values() if reason)
    assert [name.split(": ")[:2] for name in named] == [
        ["page.png cannot be read", "not-an-image"],
        ["ps.png cannot be read", "not-an-image"],
    ]


@pytest.mark.parametrize("change", ["replaced", "removed", "arrived"])
def test_an_image_that_changes_between_planning_and_reading_is_refused(
    change: str, folder: Path, tmp_path: Path, judgement: Judgement
) -> None:
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(png(drawing(0)))
    if change == "arrived":
        (folder / "b.png").rename(tmp_path / "later.png")
        (folder / "b.png").symlink_to(folder / "nowhere.png")
    spec = supplied(folder, judgement)
    (folder / "b.png").unlink()
    if change != "removed":
        (folder / "b.png").write_bytes(png(drawing(1)))
    with pytest.raises(UsageError, match=r"b\.png: changed while being read"):
        copied(spec, tmp_path / "out")


def test_other_rules_are_another_key(folder: Path, judgement: Judgement) -> None:
    from harness.keys import described

    (folder / "a.png").write_bytes(png(drawing(0)))
    assert described(supplied(folder, judgement))["rules"] == 2


def test_an_image_that_is_too_large_is_named_with_its_limit_and_not_decoded(
    folder: Path, tmp_path: Path, judgement: Judgement
) -> None:
    """Decoded, 13,000 pixels a side take 700 MB, and several times that on their way."""
    (folder / "huge.png").write_bytes(huge_png(13_000))
    (folder / "eps.png").write_bytes(EPS)
    Image.new("RGB", (40, 30), "red").save(folder / "good.png")
    spec = supplied(folder, judgement)
    eps, good, huge = copied(spec, tmp_path / "out")
    assert "13000x13000 pixels (--megapixels is 17)" in str(huge.reason)
    assert "not-an-image" in str(eps.reason)
    assert good.file is not None
    (*_, huge) = copied(spec.model_copy(update={"megapixels": 178.0}), tmp_path / "again")
    assert "megapixels" not in str(huge.reason)
    assert huge.file is None


def test_judging_folders_imports_nothing_that_draws() -> None:
    """It takes seconds that nobody gets anything for; the process is new, to have nothing yet."""
    stages = ("data", "sample", "features", "sanity", "score")
    code = (
        "import sys; from harness.pipeline.stages import STAGES\n"
        f"for each in {stages}: STAGES[each].load()\n"
        "print(*sorted({'diffusers', 'peft', 'transformers', 'open_clip'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []
