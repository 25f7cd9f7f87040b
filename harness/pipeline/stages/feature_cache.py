"""Features kept by what they are of: an extractor's rows by the content of image and text.

An image that was seen once is not looked at again, whatever folder or result it comes from; and
a pass that was killed goes on where it stopped. Losing this cache loses time and nothing else.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Kept = dict[str, NDArray[np.float32]]
"""Named rows of one image or text."""


class FeatureCache:
    """The rows of one extractor, in one file."""

    def __init__(self, folder: Path | None, extractor: str) -> None:
        place = ":memory:" if folder is None else str(_made(folder) / f"{extractor[:32]}.sqlite")
        self._database = sqlite3.connect(place, timeout=60, check_same_thread=False)
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS rows (content TEXT, name TEXT, row BLOB, "
            "PRIMARY KEY (content, name)) WITHOUT ROWID"
        )

    def close(self) -> None:
        self._database.close()

    def holds(self, contents: Iterable[str]) -> set[str]:
        """Return which of these are there."""
        wanted = set(contents)
        with closing(self._database.execute("SELECT DISTINCT content FROM rows")) as found:
            return {content for (content,) in found if content in wanted}

    def add(self, rows: Mapping[str, Kept]) -> None:
        """Keep the rows of some images or texts, all or none of them."""
        with self._database:
            self._database.executemany(
                "INSERT OR REPLACE INTO rows VALUES (?, ?, ?)",
                [
                    (content, name, np.asarray(row, "<f4").tobytes())
                    for content, named in rows.items()
                    for name, row in named.items()
                ],
            )

    def clear(self) -> None:
        """Forget every row."""
        with self._database:
            self._database.execute("DELETE FROM rows")

    def get(self, contents: Iterable[str]) -> dict[str, Kept]:
        """Return the rows of all of these that are there."""
        found: dict[str, Kept] = {}
        for content in contents:
            query = "SELECT name, row FROM rows WHERE content = ?"
            with closing(self._database.execute(query, (content,))) as rows:
                for name, row in rows:
                    found.setdefault(content, {})[name] = np.frombuffer(row, "<f4")
        return found


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
