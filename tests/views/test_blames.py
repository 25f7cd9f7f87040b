"""What the views show of a blame, and what they leave alone."""

from __future__ import annotations

import json
import re
from pathlib import Path

from blaming import ODD, put_blame
from ruamel.yaml import YAML

from harness import Workspace
from harness.decisions.blame import BEST, WORST, Blame
from harness.pipeline.results.blame import TABLE
from harness.views import blames, site
from harness.views.reports_index import ReportsIndex


def test_what_surely_hurt_is_left_out_by_lines_that_yaml_reads_back(tmp_path: Path) -> None:
    put_blame(tmp_path)
    (one,) = blames.blames(tmp_path)
    assert one.name == "ink · held-out"
    assert one.blame is not None
    read = YAML(typ="safe").load(blames.left_out(one.blame))
    assert read == {"data": {"without": [ODD]}}
    helped = [each for each in one.blame.pictures if each.side != "hurt"]
    assert blames.left_out(Blame("ink", "held-out", 1, (1,), tuple(helped))) == ""


def test_both_ends_are_listed_and_no_picture_twice(tmp_path: Path) -> None:
    for count in (1, 24, 30, 100):
        put_blame(tmp_path / str(count), count=count)
        blame = blames.blames(tmp_path / str(count))[0].blame
        assert blame is not None
        ids = [each.id for each in blames.ends(blame)]
        assert len(ids) == len(set(ids)) == min(count, 48)
        assert ids[0] == ODD
        assert ids[-1] == blame.pictures[-1].id


def test_a_damaged_blame_costs_no_other(tmp_path: Path) -> None:
    put_blame(tmp_path)
    (put_blame(tmp_path, "paint") / TABLE).write_bytes(b"PAR1")
    one, other = blames.blames(tmp_path)
    assert one.blame is not None
    assert other.blame is None
    assert "cannot be read" in other.problem


def test_a_sheet_is_shown_only_if_it_is_a_png(tmp_path: Path) -> None:
    folder = put_blame(tmp_path)
    assert blames.sheet(folder, WORST) is not None
    (folder / WORST).write_bytes(b"<svg onload=alert(1)>")
    assert blames.sheet(folder, WORST) is None
    (folder / BEST).unlink()
    (folder / BEST).symlink_to("/dev/zero")
    assert blames.sheet(folder, BEST) is None


def test_the_site_has_the_sheets_and_both_ends(index: ReportsIndex, tmp_path: Path) -> None:
    put_blame(index.reports, texts=["<b>0</b>"])
    (put_blame(index.reports, "lost") / TABLE).write_bytes(b"")
    for file in (index.reports / "pocket-v1").glob("pocket-[bn]*"):
        if "pocket-ninja-short" not in file.name:
            file.unlink()  # one board with one row is enough
    out = tmp_path / "site"
    site.write(Workspace(index.store.root, index.reports, quiet=True), out)
    page = (out / "index.html").read_text()
    found = re.search(r'<script type="application/json" id="facts">(.*?)</script>', page, re.S)
    assert found is not None
    (one,) = json.loads(found[1])["blames"]
    assert one["name"] == "ink · held-out"
    assert [row["picture"] for row in one["rows"]] == [ODD, "001.png", "002.png", "003.png"]
    assert one["sheets"]
    assert all((out / each["src"]).read_bytes().startswith(b"\x89PNG") for each in one["sheets"])
    assert "<b>0" not in page
