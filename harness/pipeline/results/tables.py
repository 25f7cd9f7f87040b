"""The tables beside a result file, as Parquet: images, prompts, likenesses, the sanity card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from harness.errors import UsageError
from harness.files import is_regular, megabytes, whole
from harness.interfaces import Array
from harness.metrics.sanity_card import SanityCard, read_rows
from harness.records import LARGEST, PseudoValues

Kind = Literal["samples", "prompts", "likeness", "sanity", "probe"]
_WORD, _NUMBER = pa.string(), pa.float64()
_WORDS, _NUMBERS, _COUNTS = pa.list_(_WORD), pa.list_(_NUMBER), pa.list_(pa.int64())
TABLES: dict[Kind, pa.Schema] = {
    "samples": pa.schema(
        {"prompt_id": _WORD, "seed": pa.int64(), "metric": _WORD, "value": _NUMBER}
    ),
    "prompts": pa.schema({"prompt_id": _WORD, "metric": _WORD, "value": _NUMBER, "base": _NUMBER}),
    "likeness": pa.schema(
        {
            "metric": _WORD,
            "prompt_id": _WORD,
            "seed": pa.int64(),
            "other": _WORD,
            "value": _NUMBER,
            "threshold": _NUMBER,
        }
    ),
    "sanity": pa.schema(
        {
            "metric": _WORD,
            "damage": _WORD,
            "higher_is_better": pa.bool_(),
            "n": pa.int64(),
            "value": _NUMBER,
            "delta": _NUMBER,
            "low": _NUMBER,
            "high": _NUMBER,
            "response": _WORD,
            "reason": _WORD,
        }
    ),
    "probe": pa.schema(
        {
            "step": pa.int64(),
            "side": _WORD,
            "id": _WORD,
            "tags": _WORDS,
            "timesteps": _COUNTS,
            "losses": _NUMBERS,
        }
    ),
}
"""Each, where there is something to say, with the columns that it has at least."""

HOLDS: dict[Kind, str] = {
    "samples": "the value of each metric for each image",
    "prompts": "the pseudo-value of each metric for each prompt, the bare base's beside it",
    "likeness": "the training picture that each image is nearest to, and the threshold for copies",
    "sanity": "the sanity card of the benchmark: what each metric says of each damage",
    "probe": "the losses of the loss probe, a row a picture and step",
}
"""What a row of each table says."""


CARD: Kind = "sanity"
"""The only table that belongs to the benchmark and not to the result's own images."""
PROBE: Kind = "probe"
"""The losses of a base (step 0) and its checkpoints, a row a picture. A loss that is not finite is
empty; a loss is the mean over the noises at its timestep."""
OF_SCORES: tuple[Kind, ...] = tuple(kind for kind in TABLES if kind not in (CARD, PROBE))
_MAY_BE_EMPTY: dict[Kind, tuple[str, ...]] = {
    "samples": (),
    "prompts": ("base",),
    "likeness": ("prompt_id", "seed", "other"),
    "sanity": ("higher_is_better", "n", "value", "delta", "low", "high", "response", "reason"),
    "probe": (),
}
_HINT = "copy it there, or run the recipe again"
_ROWS, _BYTES, _WORD_BYTES = 1_000_000, 256_000_000, 10_000
"""What a table may have: rows, bytes once it is unpacked, and bytes of one word."""


def read_table(file: Path, kind: Kind) -> pa.Table:
    """Return a table of this kind, or refuse one that is missing, cut off or not one of ours."""
    if not is_regular(file):
        raise UsageError(f"{file.name} is missing beside its result in {file.parent}", hint=_HINT)
    try:
        there = pq.read_schema(file).names
        missing = [name for name in TABLES[kind].names if name not in there]
        if missing:
            raise UsageError(f"has no column {missing[0]}", where=str(file), hint=_HINT)
        return _checked(_opened(file, kind), kind)
    except (OSError, ValueError, TypeError, LookupError, pa.ArrowException) as error:
        what = " ".join(str(error).split())[:200]
        raise UsageError(f"cannot be read: {what}", where=str(file), hint=_HINT) from None


def _opened(file: Path, kind: Kind) -> pa.Table:
    """Return a table with its words as they are kept, each once, however often they stand there."""
    schema = TABLES[kind]
    words = [field.name for field in schema if field.type == _WORD]
    with pq.ParquetFile(file, read_dictionary=words) as stored:
        facts = stored.metadata
        size = sum(facts.row_group(at).total_byte_size for at in range(facts.num_row_groups))
        if facts.num_rows > _ROWS or size > _BYTES:
            raise ValueError(f"it has more than {_ROWS:,} rows or {megabytes(_BYTES)}")
        return stored.read(columns=schema.names)


def _checked(stored: pa.Table, kind: Kind) -> pa.Table:
    """Return the columns of a table in our types; every cell that must say something does.

    To compare with a number, or to take a dictionary of columns, pyarrow would load pandas.
    """
    columns = {}
    for field in TABLES[kind]:
        column = stored.column(field.name)
        if column.null_count and field.name not in _MAY_BE_EMPTY[kind]:
            raise ValueError(f"its column {field.name} has empty cells")
        if pa.types.is_dictionary(column.type):
            _refuse_long_words(column, field.name)
        columns[field.name] = column.cast(field.type)
        if field.type == _NUMBER:
            largest = pc.max(pc.abs(columns[field.name])).as_py()
            if largest is not None and largest > LARGEST:
                raise ValueError(f"its column {field.name} has numbers beyond {LARGEST:g}")
    return pa.Table.from_arrays(list(columns.values()), schema=TABLES[kind])


def _refuse_long_words(column: pa.ChunkedArray, name: str) -> None:
    total = 0
    for chunk in column.chunks:
        lengths = pc.binary_length(chunk.dictionary)
        if (pc.max(lengths).as_py() or 0) > _WORD_BYTES:
            raise ValueError(f"its column {name} has words of more than {_WORD_BYTES:,} bytes")
        total += pc.sum(pc.take(lengths, chunk.indices)).as_py() or 0
    if total > _BYTES:
        raise ValueError(f"its column {name} has more than {megabytes(_BYTES)}")


def read_card(file: Path) -> SanityCard:
    """Return the sanity card that a table holds."""
    try:
        return read_rows(read_table(file, "sanity").to_pylist())
    except (ValueError, TypeError, LookupError):
        raise UsageError("holds no sanity card", where=str(file), hint=_HINT) from None


def write_table(file: Path, table: pa.Table) -> None:
    with whole(file) as part:
        pq.write_table(table, part)


class NumbersByMetric(Mapping[str, Mapping[str, float]]):
    """Numbers by metric and prompt, kept as columns: as dictionaries they take ten times as much.

    What it returns of a metric is made anew each time.
    """

    def __init__(self, columns: Mapping[str, tuple[tuple[str, ...], Array]]) -> None:
        self._columns = columns

    def __getitem__(self, metric: str) -> dict[str, float]:
        prompts, numbers = self._columns[metric]
        return dict(zip(prompts, numbers.tolist(), strict=True))

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


def pseudo_values_of(prompts: pa.Table) -> PseudoValues:
    """Return the pseudo-values in a table of prompts."""
    words = prompts["metric"].combine_chunks().dictionary_encode()
    codes, metrics = _values(words.indices, np.int32), words.dictionary.to_pylist()
    ids = np.array(prompts["prompt_id"].to_pylist(), object)
    columns = [_numbers(prompts[name].combine_chunks()) for name in ("value", "base")]
    own, base = {}, {}
    for code, metric in enumerate(metrics):
        rows = codes == code
        value, of_base = (column[rows] for column in columns)
        own[metric] = _first_of_equal(tuple(ids[rows])), value
        known = np.isfinite(of_base)
        if known.any():
            base[metric] = _first_of_equal(tuple(ids[rows][known])), of_base[known]
    return PseudoValues(NumbersByMetric(own), NumbersByMetric(base))


def _numbers(column: pa.Array) -> Array:
    """Return a column of numbers, NaN where a cell is empty."""
    numbers = _values(column, np.float64).copy()
    if column.null_count:
        bits = np.frombuffer(column.buffers()[0], np.uint8)
        full = np.unpackbits(bits, bitorder="little")[column.offset :][: len(column)]
        numbers[full == 0] = np.nan
    return numbers


def _values(column: pa.Array, kind: type[np.generic]) -> NDArray[Any]:
    """Return the memory of a column; `to_numpy` would load pandas, which takes longer than this."""
    there = np.frombuffer(column.buffers()[1] or b"", kind)
    return there[column.offset :][: len(column)]


@lru_cache(maxsize=64)
def _first_of_equal(prompts: tuple[str, ...]) -> tuple[str, ...]:
    """Return these prompts as they were said first: results of one benchmark share them."""
    return prompts
