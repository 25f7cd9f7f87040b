"""One pass over the columns or two: what is unpacked, and that both keep the same rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from columns_of import MEANING, write

from harness.data.curation import by_column
from harness.data.curation.by_column import select
from harness.data.curation.rules import CurationSettings
from harness.data.curation.table import MetadataTable, parquet
from harness.pages.data import Curate, TagRules


@pytest.fixture
def tables(tmp_path: Path) -> list[MetadataTable]:
    """Two tables of 300 rows; of a third of the rows one side is too short."""
    rows = [
        {
            "id": str(at),
            "caption": f"row {at}",
            "danbooru_tags": "solo night" if at % 2 else "solo",
            "width": 900 if at % 3 else 500,
            "height": 800,
            "phash": at // 5 * 1_000_003,
        }
        for at in range(600)
    ]
    files = [write(tmp_path / f"{n}.parquet", rows[n * 300 : (n + 1) * 300]) for n in range(2)]
    return [parquet((file,), MEANING) for file in files]


@pytest.fixture
def unpacked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the rows whose words come out of the engine."""
    counts, plain = [], by_column.batches

    def counted(*asked: Any) -> Iterator[Any]:
        for batch in plain(*asked):
            counts.append(batch.num_rows if "prompt" in batch.schema.names else 0)
            yield batch

    monkeypatch.setattr(by_column, "batches", counted)
    return counts


def test_of_rows_that_break_a_cheap_rule_no_word_is_unpacked(
    tables: list[MetadataTable], unpacked: list[int]
) -> None:
    page = CurationSettings(curate=Curate(min_side=700))
    kept = sum(batch.num_rows for _, batch in select(tables, page, Counter()))
    assert kept == 400
    assert sum(unpacked) == 400


def test_a_rule_that_reads_words_is_asked_once(
    tables: list[MetadataTable], unpacked: list[int]
) -> None:
    page = CurationSettings(curate=Curate(min_side=700, tags=TagRules(all_of=("night",))))
    kept = sum(batch.num_rows for _, batch in select(tables, page, Counter()))
    assert kept == 200
    assert sum(unpacked) == 600


@pytest.mark.parametrize("limit", [None, 1, 200, 201, 400])
@pytest.mark.parametrize("distance", [None, 0])
def test_one_pass_and_two_keep_and_count_alike(
    tables: list[MetadataTable],
    limit: int | None,
    distance: int | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    curate = Curate(min_side=700, limit=limit, near_duplicates=distance)

    def told() -> tuple[list[Any], Counter[str], tuple[int, int]]:
        dropped: Counter[str] = Counter()
        steps: list[tuple[int, int]] = []
        found = [
            (table, row)
            for table, batch in select(
                tables,
                CurationSettings(curate=curate),
                dropped,
                on_progress=lambda seen, kept: steps.append((seen, kept)),
            )
            for row in batch.to_pylist()
        ]
        return found, dropped, steps[-1]

    two = told()
    monkeypatch.setattr(by_column, "_in_two_passes", by_column._in_one_pass)
    assert two == told()
    found, dropped, (seen, kept) = two
    assert len(found) == kept == min(limit or 600, 400 if distance is None else 120)
    assert seen == kept + dropped.total()
    if limit is None:
        assert seen == 600
