"""What a folder's metadata files say of its pictures, by `file_name` as imagefolder has it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.data.specs import METADATA
from harness.errors import UsageError

_WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})")
_REAL = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?")


def metadata_of(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what is known of each file, by its path from `folder`."""
    known: dict[str, dict[str, Any]] = {}
    for name, rows in zip(METADATA, (_json_lines, _csv_lines), strict=True):
        file = folder / name
        if file.is_file():
            for line, facts in rows(file):
                where = f"{file}:{line}"
                if not isinstance(facts, dict) or not facts.get("file_name"):
                    raise UsageError(
                        "is not a JSON object with file_name"
                        if name.endswith("jsonl")
                        else "has no file_name",
                        where=where,
                    )
                known.setdefault(str(facts["file_name"]), {}).update(facts)
    return known


def read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError("is not UTF-8 text", where=str(file), hint="save it as UTF-8") from None


def _json_lines(file: Path) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(read_text(file).split("\n"), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except ValueError:
                yield number, None


def _csv_lines(file: Path) -> Iterator[tuple[int, Any]]:
    """Yield the rows of a table; a cell that spells a number is one, an empty cell is nothing."""
    rows = csv.DictReader(io.StringIO(read_text(file), newline=""), strict=True)
    try:
        for row in rows:
            if None in row or None in row.values():
                raise UsageError(
                    "has another number of cells than the head of the table",
                    where=f"{file}:{rows.line_num}",
                )
            yield (
                rows.line_num,
                {
                    name: cell if name in ("file_name", "text", "tags") else _typed(cell)
                    for name, cell in row.items()
                    if cell
                },
            )
    except csv.Error as error:
        raise UsageError(f"is not CSV: {error}", where=f"{file}:{rows.line_num}") from error


def _typed(cell: str) -> str | int | float:
    if _WHOLE.fullmatch(cell):
        return int(cell)
    return float(cell) if _REAL.fullmatch(cell) and cell.lstrip("-")[:2] != "00" else cell
