"""Hostile results: a result of ours with one thing that no result of ours would have.

Each change is of the result's JSON, or of a table beside it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Document = dict[str, Any]
MARKUP = "[/nope] [bold <b>x</b> | `` \x1b[2J =1+1 </script>"
ODD: dict[str, Any] = {
    "null": None,
    "true": True,
    "number": 7,
    "minus": -1,
    "large": 1e300,
    "larger": 10**400,
    "word": "x",
    "markup": MARKUP,
    "nul": "a\0b",
    "path": "../../x",
    "long": "n" * 5_000,
    "list": [1, "a", None],
    "object": {"a": {"b": [None]}},
    "empty": "",
}
PLACES: tuple[tuple[str, ...], ...] = (
    ("recipe",),
    ("benchmark",),
    ("signature",),
    ("protocol",),
    ("protocol", "base"),
    ("protocol", "metrics"),
    ("summary",),
    ("training_seeds",),
    ("keys",),
    ("keys", "sample"),
    ("images", "scored"),
    ("images", "named"),
    ("scores",),
    ("scores", "0", "metric"),
    ("scores", "0", "value"),
    ("scores", "0", "low"),
    ("scores", "0", "n"),
    ("scores", "0", "reason"),
    ("scores", "0", "flag"),
    ("scores", "0", "family"),
    ("scores", "0", "base"),
    ("scores", "0", "runs"),
    ("provenance",),
    ("provenance", "efficiency"),
    ("provenance", "efficiency", "train_seconds"),
    ("provenance", "efficiency", "train_device"),
    ("provenance", "seconds"),
    ("provenance", "page"),
    ("provenance", "packages"),
    ("provenance", "loss"),
    ("provenance", "data"),
    ("interval",),
)


def hostile_documents(good: Document) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the bytes of each result file."""
    for place in PLACES:
        for name, value in ODD.items():
            changed = copy.deepcopy(good)
            _put(changed, place, value)
            yield f"{'.'.join(place)}-{name}", json.dumps(changed).encode()
    text = json.dumps(good)
    for name, data in {
        "empty": b"",
        "cut": text[: len(text) // 2].encode(),
        "array": b"[]",
        "nested": b"[" * 200_000,
        "bytes": bytes(range(256)),
        "utf-16": text.encode("utf-16"),
        "marked": b"\xef\xbb\xbf" + text.encode(),
        "nan": text.replace('"n":', '"n": NaN, "x":', 1).encode(),
        "infinite": text.replace('"provenance": {', '"provenance": {"a": 1e999,', 1).encode(),
        "half": text.replace('"summary": "', '"summary": "\\ud800', 1).encode(),
        "twice": (text[:-1] + ', "recipe": "twice"}').encode(),
        "large": text[:-1].encode() + b" " * 40_000_000 + b"}",
        "deep": text.replace(
            '"provenance": {', '"provenance": {"a": ' + "[" * 150 + "]" * 150 + ",", 1
        ).encode(),
        "many": text.replace(
            '"provenance": {', '"provenance": {"a": [' + "[]," * 4_000_000 + "[]],", 1
        ).encode(),
    }.items():
        yield f"file-{name}", data


def _put(document: Any, place: tuple[str, ...], value: Any) -> None:
    for part in place[:-1]:
        document = (
            document[int(part)] if isinstance(document, list) else document.setdefault(part, {})
        )
    last = place[-1]
    document[int(last) if isinstance(document, list) else last] = value


Write = Callable[[Path], None]


def hostile_tables(good: Path, with_heavy: bool = True) -> Iterator[tuple[str, str, Write]]:
    """Yield a name, which table it is of, and what writes it; `good` is a result's file.

    Without `with_heavy`, tables that take a second to make are left out.
    """
    for kind in ("samples", "prompts", "likeness", "sanity", "probe"):
        table = pq.read_table(good.with_name(good.stem + f".{kind}.parquet"))
        data = good.with_name(good.stem + f".{kind}.parquet").read_bytes()
        for share in (0.1, 0.6, 0.99):
            part = data[: int(len(data) * share)]
            yield f"{kind}-cut-{share}", kind, lambda file, part=part: file.write_bytes(part)  # type: ignore[misc]
        for seed in range(6):
            changed = bytearray(data)
            for at in range(seed + 1):
                changed[(seed * 7919 + at * 104_729) % len(data)] ^= 0x55
            yield (
                f"{kind}-changed-{seed}",
                kind,
                lambda file, each=bytes(changed): file.write_bytes(each),
            )  # type: ignore[misc]
        for name, odd in _odd_tables(table, with_heavy):
            yield f"{kind}-{name}", kind, lambda file, odd=odd: pq.write_table(odd, file)  # type: ignore[misc]
        yield f"{kind}-empty", kind, lambda file: file.write_bytes(b"")  # type: ignore[misc]


def _odd_tables(table: pa.Table, with_heavy: bool) -> Iterator[tuple[str, pa.Table]]:
    count = table.num_rows
    for column in table.column_names:
        at, field = table.column_names.index(column), table.schema.field(column)
        nulls = pa.nulls(count, field.type)
        yield f"null-{column}", table.set_column(at, field, nulls)
        yield f"no-{column}", table.drop_columns([column])
        if pa.types.is_string(field.type):
            words = [MARKUP, "a\0b", "../../x", "n" * 5_000]
            yield (
                f"odd-{column}",
                table.set_column(at, field, pa.array([words[row % 4] for row in range(count)])),
            )
            numbers = pa.array(range(count))
            yield f"numbers-{column}", table.set_column(at, column, numbers)
        else:
            words = pa.array(["x"] * count)
            yield f"words-{column}", table.set_column(at, column, words)
        if pa.types.is_floating(field.type):
            for name, value in (
                ("infinite", float("inf")),
                ("nan", float("nan")),
                ("large", 1e300),
            ):
                values = pa.array([value] * count, pa.float64())
                yield f"{name}-{column}", table.set_column(at, field, values)
    yield "no-rows", table.slice(0, 0)
    yield "repeated", pa.concat_tables([table] * 3)
    if not with_heavy:
        return
    long = pa.table({**{name: table[name].slice(0, 1) for name in table.column_names}})
    index = pa.array([0] * 3_000_000)
    yield "rows-million", long.take(index)
    word = pa.DictionaryArray.from_arrays(pa.array([0] * 900_000), ["w" * 9_000])
    bomb = {
        name: word if name == "metric" else long[name].take(pa.array([0] * 900_000))
        for name in table.column_names
    }
    yield "long-words", pa.table(bomb)
