"""Captions from elsewhere in place of, behind or before a row's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from harness.data.curation.table import kind_of, told_apart
from harness.data.sources.rows import require
from harness.errors import UsageError
from harness.interfaces import Picture
from harness.pages.data import Recaption


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
    told_apart((spec.id, spec.text), schema.names, spec.file)
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
    found: dict[str, str] = {}
    table = pq.read_table(spec.file, columns=[spec.id, spec.text])
    pairs = zip(table[spec.id].to_pylist(), table[spec.text].to_pylist(), strict=True)
    for name, text in pairs:
        if text is not None:
            found.setdefault(str(name), str(text))
    return found


def recaptioned(pictures: Iterable[Picture], spec: Recaption | None) -> Iterator[Picture]:
    """Yield the pictures with their new captions."""
    others: Mapping[str, str] = {} if spec is None else read(spec)
    for picture in pictures:
        yield picture if spec is None else _merged(picture, others.get(picture.id, ""), spec)


def _merged(picture: Picture, other: str, spec: Recaption) -> Picture:
    own = picture.captions or (picture.text,)
    if spec.merge == "append":
        said = tuple(", ".join(part for part in (each, other) if part) for each in own)
    elif spec.merge == "replace" or other:
        said = (other,)
    else:
        said = own
    return replace(picture, text=said[0], captions=said)
