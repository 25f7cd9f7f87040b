"""Captions from another file, in place of a row's own or behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from harness.data.curation.table import require_distinct
from harness.data.facts import kind_of
from harness.data.sources.rows import require
from harness.data.sql import literal, quoted
from harness.errors import UsageError
from harness.interfaces import Picture
from harness.pages.data import Recaption


@dataclass(frozen=True)
class Merge:
    """One way to bring two captions together."""

    text: Callable[[str, str], str]
    """The row's own caption, and the other, empty where there is none → the new one."""
    sql: str
    """The same of the columns `text` and `other`."""


_OTHER = "coalesce(other, '')"
MERGES: dict[str, Merge] = {
    "replace": Merge(lambda own, other: other, _OTHER),
    "prefer": Merge(
        lambda own, other: other or own,
        f"CASE WHEN {_OTHER} <> '' THEN {_OTHER} ELSE text END",
    ),
    "append": Merge(
        lambda own, other: ", ".join(part for part in (own, other) if part),
        f"concat_ws(', ', nullif(text, ''), nullif({_OTHER}, ''))",
    ),
}
"""By their word in data.recaption.merge."""


def check(spec: Recaption) -> None:
    """Refuse a file that is not there, or that lacks a column."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not Path(spec.file).is_file():
        raise UsageError(f"there is no file {spec.file}", hint="correct data.recaption.file")
    if set("*?[") & set(spec.file):
        raise UsageError(f"{spec.file} has *, ? or [ in its name", hint="rename the file")
    try:
        schema = pq.read_schema(spec.file)
    except pa.ArrowInvalid:
        raise UsageError("is no Parquet file", where=spec.file) from None
    require((spec.id, spec.text), schema.names, spec.file)
    require_distinct((spec.id, spec.text), schema.names, spec.file)
    kind = schema.field(spec.text).type
    if kind_of(kind) != "text" and not pa.types.is_null(kind):
        raise UsageError(
            f"holds {kind} in {spec.text!r}, and no text",
            where=spec.file,
            hint="name another column in data.recaption.text",
        )


def read(spec: Recaption) -> dict[str, str]:
    """Return the captions by id; of several for one id, the first that says something."""
    import pyarrow.parquet as pq

    check(spec)
    captions: dict[str, str] = {}
    table = pq.read_table(spec.file, columns=[spec.id, spec.text])
    pairs = zip(table[spec.id].to_pylist(), table[spec.text].to_pylist(), strict=True)
    for name, text in pairs:
        if text is not None:
            captions.setdefault(str(name), str(text))
    return captions


def recaptioned(pictures: Iterable[Picture], spec: Recaption | None) -> Iterator[Picture]:
    """Yield the pictures with their new captions."""
    if spec is None:
        yield from pictures
        return
    others = read(spec)
    for picture in pictures:
        yield _merged(picture, others.get(picture.id, ""), MERGES[spec.merge])


def _merged(picture: Picture, other: str, merge: Merge) -> Picture:
    own = picture.captions or (picture.text,)
    merged = tuple(merge.text(each, other) for each in own)
    if all(text == other for text in merged):
        merged = (other,)
    return replace(picture, text=merged[0], captions=merged)


def recaptioned_sql(rows: str, spec: Recaption | None) -> str:
    """Return the rows of a table in SQL with their new captions in `text`; a join loses order."""
    if spec is None:
        return f"SELECT * FROM {rows}"
    name, text = quoted(spec.id), quoted(spec.text)
    others = (
        f"SELECT {name}::VARCHAR AS known, arg_min({text}, file_row_number) AS other "
        f"FROM read_parquet({literal(spec.file)}, file_row_number = true) GROUP BY known"
    )
    merged = MERGES[spec.merge].sql
    return f"SELECT * REPLACE ({merged} AS text) FROM {rows} LEFT JOIN ({others}) ON id = known"
