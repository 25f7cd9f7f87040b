"""The tables that stand beside a result file, as Parquet: single images, prompts, likenesses."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from harness.errors import UsageError
from harness.records import PseudoValues

Kind = Literal["samples", "prompts", "likeness"]
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
}
"""Each, where there is something to say, with the columns that it has at least."""


def table_beside(result: Path, kind: Kind) -> Path:
    return result.with_suffix(f".{kind}.parquet")


def read_table(result: Path, kind: Kind) -> pa.Table:
    """Return a table beside a result, or refuse one that is missing, cut off or none of ours."""
    file, hint = table_beside(result, kind), "copy it there, or run the recipe again"
    if not file.is_file():
        raise UsageError(f"{file.name} is missing beside {result}", hint=hint)
    try:
        found = pq.read_table(file)
        for field in TABLES[kind]:
            if field.name not in found.column_names:
                raise UsageError(f"has no column {field.name}", where=str(file), hint=hint)
            place = found.column_names.index(field.name)
            found = found.set_column(place, field, found.column(place).cast(field.type))
    except (OSError, pa.ArrowException) as error:
        what = str(error).splitlines()[0][:200]
        raise UsageError(f"cannot be read: {what}", where=str(file), hint=hint) from None
    return found


def read_pseudo_values(result: Path) -> PseudoValues:
    """Return the pseudo-values in the table of prompts that stands beside a result file."""
    table = read_table(result, "prompts")
    own: dict[str, dict[str, float]] = {}
    base: dict[str, dict[str, float]] = {}
    columns = [table[name].to_pylist() for name in ("metric", "prompt_id", "value", "base")]
    for metric, prompt, value, of_base in zip(*columns, strict=True):
        own.setdefault(metric, {})[prompt] = value
        if of_base is not None:
            base.setdefault(metric, {})[prompt] = of_base
    return PseudoValues(own, base)
