"""A result file and what belongs to it: its tables, its album, and a baseline's noise.

What belongs to a result has its name and another ending. This module alone knows the endings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from harness.errors import UsageError
from harness.files import copy_whole
from harness.metrics.sanity_card import SanityCard
from harness.pipeline.results.read import HARDWARE, NOISE, not_there, read_result
from harness.pipeline.results.tables import (
    TABLES,
    Kind,
    pseudo_values_of,
    read_card,
    read_table,
)
from harness.records import PseudoValues, Result

ALBUM = ".album.zip"
OF_VERDICTS: tuple[Kind, ...] = ("samples", "prompts")
"""Tables without which a result cannot be held to another one."""


@dataclass(frozen=True)
class ResultFile:
    """The path of a result, by which everything is found that belongs to it."""

    path: Path

    @cached_property
    def result(self) -> Result:
        """The result, read once; a `PageError` where the file holds none."""
        return read_result(self.path)

    @property
    def album_path(self) -> Path:
        return self._beside(ALBUM)

    @property
    def noise_path(self) -> Path:
        """Where the measured noise of a baseline is; other results have none."""
        return self._beside(NOISE)

    def table_path(self, kind: Kind) -> Path:
        return self._beside(f".{kind}.parquet")

    def has_table(self, kind: Kind) -> bool:
        return self.table_path(kind).is_file()

    def table(self, kind: Kind) -> pa.Table:
        """Return a table, or refuse one that is missing, cut off or not one of ours."""
        return read_table(self.table_path(kind), kind)

    def require_tables(self) -> None:
        """Refuse a result that is not there, or was copied without the tables of verdicts."""
        if not self.path.is_file():
            raise not_there(self.path)
        lost = [self.table_path(kind).name for kind in OF_VERDICTS if not self.has_table(kind)]
        if lost:
            raise UsageError(
                f"{self.path} came without {' and '.join(lost)}",
                hint="copy all files of that name, or run the recipe again",
            )

    def pseudo_values(self) -> PseudoValues:
        return pseudo_values_of(self.table("prompts"))

    def card(self) -> SanityCard | None:
        """Return the sanity card of the result's benchmark, where it has one."""
        return read_card(self.table_path("sanity")) if self.has_table("sanity") else None

    def belongings(self) -> list[Path]:
        """Return the files that belong to the result and exist."""
        return [path for path in (*self._pictures_and_tables(), self.noise_path) if path.is_file()]

    def files(self) -> list[Path]:
        """Return the belongings and then the result itself: once it is there, all of it is."""
        return [*self.belongings(), self.path]

    def copy_to(self, path: Path) -> ResultFile:
        """Copy the result and its belongings; what is left of an older result there is removed.

        Noise that was measured of an older baseline stays, where this result brings none.
        """
        target = ResultFile(path)
        pairs = zip(self._pictures_and_tables(), target._pictures_and_tables(), strict=True)
        for source, copy in pairs:
            if source.is_file():
                copy_whole(source, copy)
            else:
                copy.unlink(missing_ok=True)
        copy_whole(self.noise_path, target.noise_path)
        copy_whole(self.path, path)
        return target

    def _pictures_and_tables(self) -> list[Path]:
        return [*map(self.table_path, TABLES), self.album_path]

    def _beside(self, ending: str) -> Path:
        return self.path.with_name(self.path.name.removesuffix(".json") + ending)


def result_files(folder: Path) -> Iterator[ResultFile]:
    """Yield every result below a folder: also those of sweeps, runs and baselines."""
    for path in sorted(folder.glob("*/**/*.json")):
        if not path.name.endswith(NOISE) and path.parent != folder / HARDWARE:
            yield ResultFile(path)


def is_of_a_result(name: str) -> bool:
    """Return whether a file with this name is a result or belongs to one."""
    return name.endswith((".json", ALBUM, *(f".{kind}.parquet" for kind in TABLES)))
