"""The static site: one folder of files that is whole in itself."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from pathlib import Path

import pytest

from harness.api import Place
from harness.browse import site
from harness.browse.shelf import Shelf
from harness.errors import UsageError


@pytest.fixture
def written(shelf: Shelf, tmp_path: Path) -> Path:
    site.write(Place(shelf.store.root, shelf.reports, quiet=True), tmp_path / "site")
    return tmp_path / "site"


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


def test_it_asks_nobody_for_anything(written: Path) -> None:
    page = (written / "index.html").read_text()
    assert not re.search(r'(src|href)="(https?:)?//', page)
    assert "http://" not in page
    assert "https://" not in page


def test_only_its_own_script_may_run(written: Path) -> None:
    page = (written / "index.html").read_text()
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1])  # type: ignore[index]
    script = re.findall(r"<script>(.*?)</script>", page, re.S)
    assert len(script) == 1
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_it_holds_boards_pictures_and_comparisons(written: Path) -> None:
    (board,) = facts_of((written / "index.html").read_text())["boards"]  # type: ignore[misc, attr-defined]
    assert board["rows"][0]["recipe"] == "pocket-ninja"
    assert set(board["shots"]) == {row["name"] for row in board["rows"]}
    pairs = {(each["a"], each["b"]): each for each in board["comparisons"]}
    assert len(pairs) == 20
    assert "is better than" in pairs["pocket-ninja", "pocket-base"]["sentence"]


def test_a_second_export_writes_only_what_is_new(shelf: Shelf, written: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in (written / "pictures").iterdir()}
    site.write(Place(shelf.store.root, shelf.reports, quiet=True), written)
    assert {file: file.stat().st_mtime_ns for file in (written / "pictures").iterdir()} == before


def test_an_unknown_benchmark_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no results of nothing"):
        site.write(Place(shelf.store.root, shelf.reports), tmp_path / "site", "nothing")
