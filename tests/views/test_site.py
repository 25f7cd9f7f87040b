"""The static site: one folder of files that is whole in itself."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness import Workspace
from harness.errors import UsageError
from harness.views import site
from harness.views.reports_index import ReportsIndex


@pytest.fixture
def written(index: ReportsIndex, tmp_path: Path) -> Path:
    site.write(Workspace(index.store.root, index.reports, quiet=True), tmp_path / "site")
    return tmp_path / "site"


def copied(index: ReportsIndex, name: str) -> Path:
    """Put a result onto the index that is one that was there, under another name."""
    folder = index.reports / "pocket-v1"
    for file in list(folder.glob("pocket-ninja.*")):
        shutil.copy(file, folder / f"{name}{file.name.removeprefix('pocket-ninja')}")
    target = folder / f"{name}.json"
    target.write_text(json.dumps(json.loads(target.read_text()) | {"recipe": name}))
    return target


def exported(index: ReportsIndex, out: Path) -> dict[str, Any]:
    site.write(Workspace(index.store.root, index.reports, quiet=True), out)
    (board,) = facts_of((out / "index.html").read_text())["boards"]  # type: ignore[misc, attr-defined]
    found: dict[str, Any] = board
    return found


def facts_of(page: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="facts">(.*?)</script>', page, re.S)
    assert found is not None
    facts: dict[str, object] = json.loads(found[1])
    return facts


def test_every_picture_that_the_page_names_is_there_and_no_other(written: Path) -> None:
    page = (written / "index.html").read_text()
    named = set(re.findall(r"pictures/[0-9a-f]{32}\.webp", page))
    there = {f"pictures/{file.name}" for file in (written / "pictures").iterdir()}
    assert named == there
    assert len(there) > 400


@pytest.mark.slow
def test_it_asks_nobody_for_anything(written: Path) -> None:
    page = (written / "index.html").read_text()
    assert not re.search(r'(src|href)="(https?:)?//', page)
    assert "http://" not in page
    assert "https://" not in page


@pytest.mark.slow
def test_only_its_own_script_may_run(written: Path) -> None:
    page = (written / "index.html").read_text()
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1])  # type: ignore[index]
    script = re.findall(r"<script>(.*?)</script>", page, re.S)
    assert len(script) == 1
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


@pytest.mark.slow
def test_it_holds_boards_pictures_and_comparisons(written: Path) -> None:
    (board,) = facts_of((written / "index.html").read_text())["boards"]  # type: ignore[misc, attr-defined]
    assert board["rows"][0]["recipe"] == "pocket-ninja"
    assert set(board["shots"]) == {row["name"] for row in board["rows"]}
    pairs = {(each["a"], each["b"]): each for each in board["comparisons"]}
    assert len(pairs) == 20
    assert "is better than" in pairs["pocket-ninja", "pocket-base"]["sentence"]


@pytest.mark.slow
def test_a_second_export_writes_only_what_is_new(index: ReportsIndex, written: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in (written / "pictures").iterdir()}
    site.write(Workspace(index.store.root, index.reports, quiet=True), written)
    assert {file: file.stat().st_mtime_ns for file in (written / "pictures").iterdir()} == before


def test_an_unknown_benchmark_is_refused(index: ReportsIndex, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no results of nothing"):
        site.write(Workspace(index.store.root, index.reports), tmp_path / "site", "nothing")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["my style", "a#b?c", "50%20off", "鬼"])
def test_a_name_that_an_address_must_quote_has_its_pictures(
    index: ReportsIndex, tmp_path: Path, name: str
) -> None:
    copied(index, name)
    for file in (index.reports / "pocket-v1").glob("pocket-*.album.zip"):
        file.unlink()
    board = exported(index, tmp_path / "site")
    shots = board["shots"][f"pocket-v1/{name}"]
    assert len(shots) == 96
    assert all((tmp_path / "site" / shot["src"]).is_file() for shot in shots)


def test_a_damaged_comparison_is_left_out_and_said(
    index: ReportsIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (index.reports / "pocket-v1/pocket-base.prompts.parquet").write_bytes(b"PAR1 no more")
    board = exported(index, tmp_path / "site")
    sides = {name for each in board["comparisons"] for name in (each["a"], each["b"])}
    assert len(board["comparisons"]) == 12
    assert "pocket-base" not in sides
    assert "8 comparisons are left out" in capsys.readouterr().err


def test_a_result_whose_images_have_no_numbers_keeps_its_pictures(
    index: ReportsIndex, tmp_path: Path
) -> None:
    named = {"prompt_id": ["cat"], "seed": [1], "metric": [7], "value": ["much"]}
    pq.write_table(pa.table(named), index.reports / "pocket-v1/pocket-base.samples.parquet")
    board = exported(index, tmp_path / "site")
    assert len(board["rows"]) == 5
    shots = board["shots"]["pocket-v1/pocket-base"]
    assert all(shot["src"] and not shot["scores"] for shot in shots)


def test_a_score_that_is_no_number_costs_its_row_alone(index: ReportsIndex, tmp_path: Path) -> None:
    file = copied(index, "zz-nan")
    document = json.loads(file.read_text())
    document["scores"][0]["value"] = float("nan")
    file.write_text(json.dumps(document))
    board = exported(index, tmp_path / "site")
    assert len(board["rows"]) == 5
    assert [each["name"] for each in board["broken"]] == ["pocket-v1/zz-nan"]
