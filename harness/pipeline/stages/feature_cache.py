"""Features by the content of what they were made of: the rows of one extractor in one file.

An image that was seen once is not seen again, whichever folder or result it comes from; and a
pass that was killed goes on where it stopped. Losing this cache costs time and nothing else.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Features = dict[str, NDArray[np.float32]]
"""Named rows of one image or text."""


class FeatureCache:
    """The features of one extractor, by key; kept in memory if there is no folder."""

    def __init__(self, folder: Path | None, extractor: str) -> None:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        file = ":memory:" if folder is None else str(folder / f"{extractor[:32]}.sqlite")
        self._database = sqlite3.connect(file, timeout=60, check_same_thread=False)
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS rows (content TEXT, name TEXT, row BLOB, "
            "PRIMARY KEY (content, name)) WITHOUT ROWID"
        )

    def close(self) -> None:
        self._database.close()

    def holds(self, keys: Iterable[str]) -> set[str]:
        """Return which of these keys are there."""
        wanted = set(keys)
        with closing(self._database.execute("SELECT DISTINCT content FROM rows")) as rows:
            return {key for (key,) in rows if key in wanted}

    def add(self, features: Mapping[str, Features]) -> None:
        """Keep the features of some images or texts, all or none of them."""
        with self._database:
            self._database.executemany(
                "INSERT OR REPLACE INTO rows VALUES (?, ?, ?)",
                [
                    (key, name, np.asarray(row, "<f4").tobytes())
                    for key, named in features.items()
                    for name, row in named.items()
                ],
            )

    def clear(self) -> None:
        """Forget everything."""
        with self._database:
            self._database.execute("DELETE FROM rows")

    def get(self, keys: Iterable[str]) -> dict[str, Features]:
        """Return the features of all of these keys that are there."""
        features: dict[str, Features] = {}
        for key in keys:
            query = "SELECT name, row FROM rows WHERE content = ?"
            with closing(self._database.execute(query, (key,))) as rows:
                for name, row in rows:
                    features.setdefault(key, {})[name] = np.frombuffer(row, "<f4")
        return features
