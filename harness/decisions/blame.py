"""Which training pictures helped with what was asked, and which hurt."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from harness.errors import UsageError
from harness.files import is_regular, whole
from harness.pipeline.results.blame import SCHEMA, TABLE

WORST, BEST = "worst.png", "best.png"
FOLDER = "blame"
"""Where blames are, below the reports: a folder a recipe, and one in it for each question."""
_FACTS = b"harness"
Side = Literal["hurt", "helped", "unclear"]


@dataclass(frozen=True)
class BlamedPicture:
    """One training picture, and how far it helped: 1 is as far as a typical picture."""

    set: int
    """Which of the sets that are trained on it is from."""
    id: str
    text: str
    value: float
    """Its influence; below 0 it hurt."""
    low: float
    high: float
    """The interval over noises."""
    loss: float
    """Its own loss at the end of training."""

    @property
    def side(self) -> Side:
        """Whether the interval says that it helped or hurt."""
        if self.high < 0:
            return "hurt"
        return "helped" if self.low > 0 else "unclear"


@dataclass(frozen=True)
class Blame:
    """Every training picture of a recipe, the worst first."""

    recipe: str
    on: str
    """What was asked: held-out, a prompt, or the file of an image."""
    asked: int
    """How many pictures that was."""
    checkpoints: tuple[int, ...]
    """The steps after which the adapter was asked."""
    pictures: tuple[BlamedPicture, ...] = field(repr=False)
    notes: tuple[str, ...] = ()
    """What a reader should know, such as that the end alone was asked."""

    def worst(self, count: int) -> list[BlamedPicture]:
        """Return the pictures that hurt most, the worst first."""
        return list(self.pictures[:count])

    def best(self, count: int) -> list[BlamedPicture]:
        """Return the pictures that helped most, the best first."""
        return list(self.pictures[::-1][:count])

    def counts(self) -> dict[Side, int]:
        """Return how many pictures surely hurt, surely helped, or cannot be told."""
        sides: tuple[Side, ...] = ("hurt", "unclear", "helped")
        return {side: sum(each.side == side for each in self.pictures) for side in sides}


def write_blame(blame: Blame, file: Path) -> None:
    """Write a blame as one Parquet table that carries its own facts."""
    columns = [asdict(each) for each in blame.pictures]
    facts = {name: value for name, value in vars(blame).items() if name != "pictures"}
    table = pa.Table.from_pylist(columns, SCHEMA)
    table = table.replace_schema_metadata({_FACTS: json.dumps(facts).encode()})
    with whole(file) as part:
        pq.write_table(table, part)


def read_blame(file: Path) -> Blame:
    """Return the blame in a file, or refuse one that is missing, damaged or not one of ours."""
    if not is_regular(file):
        raise UsageError(f"there is no blame {file}", hint="`harness blame RECIPE` makes one")
    try:
        table = pq.read_table(file)
        facts: Mapping[str, Any] = json.loads((table.schema.metadata or {})[_FACTS])
        rows = table.select(SCHEMA.names).cast(SCHEMA).to_pylist()
        pictures = tuple(_picture(row) for row in rows)
        checkpoints = tuple(int(step) for step in facts["checkpoints"])
        return Blame(
            recipe=str(facts["recipe"]),
            on=str(facts["on"]),
            asked=int(facts["asked"]),
            checkpoints=checkpoints,
            pictures=pictures,
            notes=tuple(map(str, facts["notes"])),
        )
    except (OSError, ValueError, TypeError, LookupError, pa.ArrowException) as error:
        what = " ".join(str(error).split())[:200]
        hint = "run `harness blame` again"
        raise UsageError(f"cannot be read: {what}", where=str(file), hint=hint) from None


def _picture(row: Mapping[str, Any]) -> BlamedPicture:
    numbers = [row[name] for name in ("value", "low", "high", "loss")]
    if None in row.values() or not all(map(math.isfinite, numbers)):
        raise ValueError(f"the row of {row['id']!r} lacks a number")
    return BlamedPicture(**row)


def blames_in(reports: Path) -> Iterator[Path]:
    """Yield the folder of every blame below a reports folder."""
    for file in sorted(reports.glob(f"{FOLDER}/*/*/{TABLE}")):
        yield file.parent


def notes_of(train_steps: int, marks: Sequence[int], every: int | None) -> tuple[str, ...]:
    """Return what a reader should know of the checkpoints that were asked."""
    if every is None:
        return (
            "the recipe keeps no checkpoints, so its end alone was asked: what a picture did "
            "early and was undone since is not seen (train.checkpoint_every keeps some)",
        )
    if len(marks) == 1:
        return (f"the end alone was asked, step {train_steps}; --checkpoints asks more",)
    return ()
