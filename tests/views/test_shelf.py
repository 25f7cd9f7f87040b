"""The shelf: what lies below a reports folder, whole or broken."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from harness.decisions.breakdown import read_samples
from harness.errors import UsageError
from harness.views.shelf import LOOKED_AT, Shelf
from harness.views.table import samples_of

FIVE = (
    "pocket-base",
    "pocket-ninja",
    "pocket-ninja-broken",
    "pocket-ninja-overfit",
    "pocket-ninja-short",
)


def test_every_published_result_is_held_and_baselines_are_apart(shelf: Shelf) -> None:
    assert [each.recipe for each in shelf.held()] == list(FIVE)
    assert [each.name for each in shelf.baselines()] == ["baselines/pocket-v1/pocket-ninja"]
    assert shelf.boards()[0].benchmark == "pocket-v1"


@pytest.mark.parametrize("content", ["", "{", '{"schema_version": 1}', "[]", "\x00\xff", "null"])
def test_a_broken_result_is_held_as_such_and_the_others_stand(shelf: Shelf, content: str) -> None:
    (shelf.reports / "pocket-v1/pocket-half.json").write_text(content, encoding="latin-1")
    held = {each.recipe: each for each in shelf.held()}
    assert held["pocket-half"].result is None
    assert "is not a result file" in held["pocket-half"].problem
    assert len(shelf.boards()[0].rows) == 5


def test_a_file_is_read_again_only_where_it_has_changed(shelf: Shelf) -> None:
    before = shelf.held()
    assert all(one is other for one, other in zip(before, shelf.held(), strict=True))
    file = shelf.reports / "pocket-v1/pocket-ninja.json"
    document = json.loads(file.read_text()) | {"summary": "another one, and longer than before"}
    file.write_text(json.dumps(document))
    after = {each.recipe: each for each in shelf.held()}
    assert after["pocket-ninja"].result is not None
    assert after["pocket-ninja"].result.summary == "another one, and longer than before"
    assert after["pocket-base"] is before[0]


def test_a_board_is_reckoned_again_when_a_result_comes_or_goes(shelf: Shelf) -> None:
    assert len(shelf.boards()[0].rows) == 5
    (shelf.reports / "pocket-v1/pocket-ninja-broken.json").unlink()
    assert len(shelf.boards()[0].rows) == 4


@pytest.mark.parametrize("name", ["../secret", "pocket-v1/../../secret", "/etc/passwd", "nothing"])
def test_a_name_reaches_nothing_outside_the_reports(shelf: Shelf, name: str) -> None:
    (shelf.reports.parent / "secret.json").write_text("{}")
    with pytest.raises(UsageError):
        shelf.find(name)


def test_results_of_one_signature_share_their_protocol(shelf: Shelf) -> None:
    protocols = [each.result.protocol for each in shelf.held() if each.result]
    assert all(each is protocols[0] for each in protocols)


def test_only_the_pictures_looked_at_last_are_remembered(shelf: Shelf) -> None:
    first = shelf.held()[0]
    assert shelf.shots(first) is shelf.shots(first)
    for number in range(LOOKED_AT):
        copy = shelf.reports / f"pocket-v1/copy-{number}.album.zip"
        copy.write_bytes((shelf.reports / "pocket-v1/pocket-base.album.zip").read_bytes())
        shelf._known("shots", copy, lambda file: [file], [])
        shelf._forget("shots", copy)
    kept = [file for kind, file in shelf._kept if kind == "shots"]
    assert len(kept) == LOOKED_AT


def test_samples_hold_what_the_table_beside_the_result_says(shelf: Shelf) -> None:
    held = shelf.held()[1]
    samples, plain = shelf.samples(held), read_samples(held.file)
    assert set(samples.values) == set(plain)
    for metric, rows in plain.items():
        column = samples.values[metric]
        assert sum(np.isfinite(column)) == len(rows)
        assert np.nanmean(column) == pytest.approx(np.mean([value for _, value in rows]))
    prompt, seed = samples.prompt_ids[0], int(samples.seeds[0])
    assert samples.of(prompt, seed)["clip-score"] == pytest.approx(plain["clip-score"][0][1])
    assert samples.of("nobody", 1) == {}


def test_a_broken_table_is_an_empty_one(tmp_path: Path) -> None:
    file = tmp_path / "x.samples.parquet"
    file.write_bytes(b"PAR1 and no more")
    assert samples_of(tmp_path / "x.json").values == {}


def test_all_that_a_leaderboard_wants_can_be_read_ahead(shelf: Shelf) -> None:
    shelf.boards()
    shelf.warm()
    began = time.process_time()
    shelf.boards()
    assert time.process_time() - began < 0.1


def test_an_empty_folder_has_nothing_and_breaks_nothing(tmp_path: Path) -> None:
    empty = Shelf(tmp_path / "none", tmp_path / "store")
    assert empty.held() == empty.boards() == empty.baselines() == empty.sweeps() == []
