"""The cache of features: what is damaged in it is made again, with a word, and never used."""

from __future__ import annotations

import logging
import random
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from harness.pipeline.stages.feature_cache import FeatureCache, Features

KEYS = [f"{number:064x}" for number in range(40)]


def features(key: str) -> Features:
    rng = np.random.default_rng(int(key, 16))
    return {
        "images": rng.normal(size=24).astype(np.float32),
        "cut": rng.normal(size=1).astype(np.float32),
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    cache = FeatureCache(tmp_path, "some extractor")
    cache.add({key: features(key) for key in KEYS})
    cache.close()
    return tmp_path / "some extractor.sqlite"


def is_right(key: str, found: Features) -> bool:
    return all(found[name].tobytes() == row.tobytes() for name, row in features(key).items())


@pytest.mark.parametrize("seed", range(20))
def test_a_flipped_bit_anywhere_gives_no_wrong_feature(file: Path, seed: int) -> None:
    rng, data = random.Random(seed), bytearray(file.read_bytes())
    for _ in range(rng.choice([1, 1, 8])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    file.write_bytes(data)
    cache = FeatureCache(file.parent, "some extractor")
    for _ in range(2):  # as a pass does, which fills what is missing and looks again
        cache.add({key: features(key) for key in set(KEYS) - cache.holds(KEYS)})
    assert cache.holds(KEYS) == set(KEYS)
    found = cache.get(KEYS)
    assert found.keys() == set(KEYS)
    assert all(is_right(key, each) for key, each in found.items())


def change(file: Path, statement: str, *values: object) -> None:
    database = sqlite3.connect(file)
    with database:
        assert database.execute(statement, values).rowcount == 1
    database.close()


def test_a_damaged_row_is_told_and_counts_as_missing(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = bytearray(
        sqlite3.connect(file).execute("SELECT rows FROM features LIMIT 1").fetchone()[0]
    )
    rows[-1] ^= 1
    change(file, "UPDATE features SET rows = ? WHERE content = ?", bytes(rows), KEYS[0])
    cache = FeatureCache(file.parent, "some extractor")
    with caplog.at_level(logging.WARNING):
        assert cache.holds(KEYS) == set(KEYS[1:])
    assert "39 rows are kept, the others are made again" in caplog.text
    assert KEYS[0] not in cache.get(KEYS)
    assert FeatureCache(file.parent, "some extractor").holds(KEYS) == set(KEYS[1:])


def test_the_row_of_another_image_counts_as_missing(file: Path) -> None:
    change(file, "DELETE FROM features WHERE content = ?", KEYS[0])
    change(file, "UPDATE features SET content = ? WHERE content = ?", KEYS[0], KEYS[1])
    assert FeatureCache(file.parent, "some extractor").holds(KEYS[:2]) == set()


@pytest.mark.parametrize("content", [b"no database at all", b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_file_that_is_no_database_is_begun_anew(
    content: bytes, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.write_bytes(content)
    cache = FeatureCache(file.parent, "some extractor")
    assert cache.holds(KEYS) == set()
    assert "0 rows are kept" in caplog.text


def test_rows_of_the_older_form_carry_no_digest_and_are_not_used(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "some extractor.sqlite")
    with database:
        database.execute("CREATE TABLE rows (content TEXT, name TEXT, row BLOB)")
        database.execute("INSERT INTO rows VALUES (?, 'images', x'00000000')", (KEYS[0],))
    database.close()
    assert FeatureCache(tmp_path, "some extractor").holds(KEYS) == set()


def test_a_locked_database_is_not_taken_for_a_damaged_one(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = FeatureCache(file.parent, "some extractor")
    cache._database.execute("PRAGMA busy_timeout = 1")
    other = sqlite3.connect(file)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        cache.holds(KEYS)
    other.close()
    assert cache.holds(KEYS) == set(KEYS)
