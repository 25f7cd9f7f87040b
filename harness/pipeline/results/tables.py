"""The tables beside a result file, as Parquet: images, prompts, likenesses, the sanity card."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from harness.errors import UsageError
from harness.files import whole
from harness.metrics.sanity_card import SanityCard, read_rows
from harness.records import PseudoValues

Kind = Literal["samples", "prompts", "likeness", "sanity"]
_WORD, _NUMBER = pa.string(), pa.float64()
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
}
"""Each, where there is something to say, with the columns that it has at least."""


CARD: Kind = "sanity"
"""The only table that belongs to the benchmark and not to the result's own images."""
OF_SCORES: tuple[Kind, ...] = tuple(kind for kind in TABLES if kind != CARD)


def read_table(file: Path, kind: Kind) -> pa.Table:
    """Return a table of this kind, or refuse one that is missing, cut off or not one of ours."""
    hint = "copy it there, or run the recipe again"
    if not file.is_file():
        raise UsageError(f"{file.name} is missing beside its result in {file.parent}", hint=hint)
    try:
        table = pq.read_table(file)
        for field in TABLES[kind]:
            if field.name not in table.column_names:
                raise UsageError(f"has no column {field.name}", where=str(file), hint=hint)
            at = table.column_names.index(field.name)
            table = table.set_column(at, field, table.column(at).cast(field.type))
    except (OSError, pa.ArrowException) as error:
        what = str(error).splitlines()[0][:200]
        raise UsageError(f"cannot be read: {what}", where=str(file), hint=hint) from None
    return table


def read_card(file: Path) -> SanityCard:
    """Return the sanity card that a table holds."""
    return read_rows(read_table(file, "sanity").to_pylist())


def write_table(file: Path, table: pa.Table) -> None:
    with whole(file) as part:
        pq.write_table(table, part)


def pseudo_values_of(prompts: pa.Table) -> PseudoValues:
    """Return the pseudo-values in a table of prompts."""
    own: dict[str, dict[str, float]] = {}
    base: dict[str, dict[str, float]] = {}
    columns = [prompts[name].to_pylist() for name in ("metric", "prompt_id", "value", "base")]
    for metric, prompt, value, of_base in zip(*columns, strict=True):
        own.setdefault(metric, {})[prompt] = value
        if of_base is not None:
            base.setdefault(metric, {})[prompt] = of_base
    return PseudoValues(own, base)
