"""The index: what lies below a reports folder, whole or broken."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from harness.decisions.breakdown import read_samples
from harness.errors import UsageError
from harness.pipeline.results.file import ResultFile
from harness.views import reports_index
from harness.views.reports_index import LOOKED_AT, ReportsIndex
from harness.views.samples import Samples, samples_of

FIVE = (
    "pocket-base",
    "pocket-ninja",
    "pocket-ninja-broken",
    "pocket-ninja-overfit",
    "pocket-ninja-short",
)


def test_every_published_result_is_held_and_baselines_are_apart(index: ReportsIndex) -> None:
    assert [each.recipe for each in index.entries()] == list(FIVE)
    assert [each.name for each in index.baselines()] == ["baselines/pocket-v1/pocket-ninja"]
    assert index.boards()[0].benchmark == "pocket-v1"


@pytest.mark.parametrize("content", ["", "{", '{"schema_version": 1}', "[]", "\x00\xff", "null"])
def test_a_broken_result_is_held_as_such_and_the_others_stand(
    index: ReportsIndex, content: str
) -> None:
    (index.reports / "pocket-v1/pocket-half.json").write_text(content, encoding="latin-1")
    entries = {each.recipe: each for each in index.entries()}
    assert entries["pocket-half"].result is None
    assert "is not a result file" in entries["pocket-half"].problem
    assert len(index.boards()[0].rows) == 5


def test_a_file_is_read_again_only_where_it_has_changed(index: ReportsIndex) -> None:
    before = index.entries()
    assert all(one is other for one, other in zip(before, index.entries(), strict=True))
    file = index.reports / "pocket-v1/pocket-ninja.json"
    document = json.loads(file.read_text()) | {"summary": "another one, and longer than before"}
    file.write_text(json.dumps(document))
    after = {each.recipe: each for each in index.entries()}
    assert after["pocket-ninja"].result is not None
    assert after["pocket-ninja"].result.summary == "another one, and longer than before"
    assert after["pocket-base"] is before[0]


def test_a_board_is_reckoned_again_when_a_result_comes_or_goes(index: ReportsIndex) -> None:
    assert len(index.boards()[0].rows) == 5
    (index.reports / "pocket-v1/pocket-ninja-broken.json").unlink()
    assert len(index.boards()[0].rows) == 4


@pytest.mark.parametrize("name", ["../secret", "pocket-v1/../../secret", "/etc/passwd", "nothing"])
def test_a_name_reaches_nothing_outside_the_reports(index: ReportsIndex, name: str) -> None:
    (index.reports.parent / "secret.json").write_text("{}")
    with pytest.raises(UsageError):
        index.find(name)


def test_results_of_one_signature_share_their_protocol(index: ReportsIndex) -> None:
    protocols = [each.result.protocol for each in index.entries() if each.result]
    assert all(each is protocols[0] for each in protocols)


def test_only_the_pictures_looked_at_last_are_remembered(index: ReportsIndex) -> None:
    first = index.entries()[0]
    assert index.shots(first) is index.shots(first)
    for number in range(LOOKED_AT):
        copy = index.reports / f"pocket-v1/copy-{number}.album.zip"
        copy.write_bytes((index.reports / "pocket-v1/pocket-base.album.zip").read_bytes())
        index._known("shots", copy, lambda file: [file], [])
        index._forget("shots", copy)
    kept = [file for kind, file in index._kept if kind == "shots"]
    assert len(kept) == LOOKED_AT


def test_samples_hold_what_the_table_beside_the_result_says(index: ReportsIndex) -> None:
    entry = index.entries()[1]
    samples, plain = index.samples(entry), read_samples(entry.file.path)
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
    assert samples_of(ResultFile(tmp_path / "x.json")).values == {}


def test_all_that_a_leaderboard_wants_can_be_read_ahead(
    index: ReportsIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[ResultFile] = []

    def counted(file: ResultFile) -> Samples:
        read.append(file)
        return samples_of(file)

    monkeypatch.setattr(reports_index, "samples_of", counted)
    index.read_ahead()
    assert len(read) == len(FIVE)
    index.boards()
    assert all(index.samples(each).values for each in index.entries())
    assert len(read) == len(FIVE), "nothing is read twice"


def test_reading_ahead_waits_until_nobody_asks(
    index: ReportsIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock is made by hand: a second visitor asks while the second file is read."""
    now, read_at = [100.0], list[float]()

    class Clock:
        monotonic = staticmethod(lambda: now[0])
        sleep = staticmethod(lambda seconds: now.__setitem__(0, now[0] + seconds))

    def asked_again(file: ResultFile) -> Samples:
        read_at.append(now[0])
        if len(read_at) == 2:
            index.entries()
        return Samples.none()

    monkeypatch.setattr(reports_index, "time", Clock)
    monkeypatch.setattr(reports_index, "PAUSE", 0.25)
    monkeypatch.setattr(reports_index, "samples_of", asked_again)
    index.read_ahead(quiet=3)
    assert read_at == [103, 103.25, 106.25, 106.5, 106.75]


def test_an_empty_folder_has_nothing_and_breaks_nothing(tmp_path: Path) -> None:
    empty = ReportsIndex(tmp_path / "none", tmp_path / "store")
    assert empty.entries() == empty.boards() == empty.baselines() == empty.swept_recipes() == []
