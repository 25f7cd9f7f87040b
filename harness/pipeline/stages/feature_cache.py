"""Features by the content of what they were made of: the rows of one extractor in one file.

An image that was seen once is not seen again, whichever folder or result it comes from; and a
pass that was killed goes on where it stopped. Losing this cache costs time and nothing else. So
every row carries a digest, and what is not as it was written counts as missing.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

Features = dict[str, NDArray[np.float32]]
"""Named rows of one image or text."""
T = TypeVar("T")
_INSERT = "INSERT OR REPLACE INTO features VALUES (?, ?, ?)"
_NO_DAMAGE = (
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
)
"""Errors that say nothing about what the file holds."""
log = logging.getLogger(__name__)


class FeatureCache:
    """The features of one extractor, by key; kept in memory if there is no folder."""

    def __init__(self, folder: Path | None, extractor: str) -> None:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._file = None if folder is None else folder / f"{extractor[:32]}.sqlite"
        self._known: set[str] = set()
        """Keys that were found as they were written, or were written by this process."""
        self._database = _connect(self._file)
        self._try(_prepare)

    def close(self) -> None:
        self._database.close()

    def holds(self, keys: Iterable[str]) -> set[str]:
        """Return which of these keys are there, as they were written."""
        wanted = set(keys)
        found = self._sound(wanted - self._known)
        self._known.update(found)
        return wanted & self._known

    def add(self, features: Mapping[str, Features]) -> None:
        """Keep the features of some images or texts, all or none of them."""
        rows = [(key, *_packed(key, named)) for key, named in features.items()]
        self._try(lambda database: database.executemany(_INSERT, rows))
        if self._sound(features).keys() != features.keys():  # the file's own order is damaged
            self._keep_sound()
            self._try(lambda database: database.executemany(_INSERT, rows))
        self._known.update(features)

    def clear(self) -> None:
        """Forget everything."""
        self._try(lambda database: database.execute("DELETE FROM features"))
        self._known.clear()

    def get(self, keys: Iterable[str]) -> dict[str, Features]:
        """Return the features of all of these keys that are there, as they were written."""
        wanted = list(keys)
        features = self._sound(wanted)
        if self._known & set(wanted) - features.keys():
            self._keep_sound()
            features = self._sound(wanted)
        return features

    def _sound(self, keys: Iterable[str]) -> dict[str, Features]:
        """Return the features of these keys, without those that are not as they were written."""
        wanted = list(keys)
        found = self._try(lambda database: list(_read(database, wanted)))
        if any(features is None for _, features in found):
            self._keep_sound()
            found = self._try(lambda database: list(_read(database, wanted)))
        return {key: features for key, features in found if features is not None}

    def _try(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` does with the database; a damaged one is first mended."""
        try:
            with self._database:
                return work(self._database)
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
            if self._file is None or code & 0xFF in _NO_DAMAGE:
                raise
        self._keep_sound()
        with self._database:
            return work(self._database)

    def _keep_sound(self) -> None:
        """Begin a new file with the rows that are as they were written, and tell of it."""
        assert self._file is not None
        rows = list(_all_sound(self._database))
        self._database.close()
        for each in (self._file, self._file.with_name(f"{self._file.name}-journal")):
            each.unlink(missing_ok=True)
        self._database = _connect(self._file)
        with self._database:
            _prepare(self._database)
            self._database.executemany(_INSERT, rows)
        self._known = {key for key, *_ in rows}
        log.warning(
            "cached features were damaged: %d rows are kept, the others are made again (%s)",
            len(rows),
            self._file,
        )


def _connect(file: Path | None) -> sqlite3.Connection:
    return sqlite3.connect(file or ":memory:", timeout=60, check_same_thread=False)


def _prepare(database: sqlite3.Connection) -> None:
    database.execute("DROP TABLE IF EXISTS rows")  # an older form, without digests
    database.execute(
        "CREATE TABLE IF NOT EXISTS features (content TEXT PRIMARY KEY, rows BLOB, digest BLOB) "
        "WITHOUT ROWID"
    )


def _read(
    database: sqlite3.Connection, keys: Iterable[str]
) -> Iterator[tuple[str, Features | None]]:
    """Yield the features of each key that is there; None where they are not as they were."""
    for key in keys:
        query = "SELECT rows, digest FROM features WHERE content = ?"
        with closing(database.execute(query, (key,))) as found:
            for rows, digest in found:
                yield key, load(rows) if _is_sound(key, rows, digest) else None


def _all_sound(database: sqlite3.Connection) -> Iterator[tuple[str, bytes, bytes]]:
    """Yield the rows that are as they were written, up to where the file cannot be read."""
    try:
        for key, rows, digest in database.execute("SELECT * FROM features"):
            if _is_sound(key, rows, digest):
                yield key, rows, digest
    except sqlite3.Error:
        return


def _is_sound(key: object, rows: object, digest: object) -> bool:
    return isinstance(key, str) and isinstance(rows, bytes) and digest == _digest(key, rows)


def _packed(key: str, features: Features) -> tuple[bytes, bytes]:
    """Return rows as bytes, and their digest."""
    rows = save({name: np.array(row, "<f4") for name, row in features.items()})
    return rows, _digest(key, rows)


def _digest(key: str, rows: bytes) -> bytes:
    return hashlib.sha256(key.encode() + rows).digest()[:16]
