"""What a row of any table is called, must have, and points at."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.errors import UsageError


def id_of(row: int) -> str:
    """Return the id of a row that has only its number."""
    return f"{row:08d}"


def require(columns: Sequence[str], there: Sequence[str], what: str) -> None:
    """Refuse rows that lack a column the page names."""
    for column in columns:
        if column not in there:
            raise UsageError(f"{what} has no column {column!r}", hint=f"it has {', '.join(there)}")


def file_of(cell: Any) -> str:
    """Return what the file of a picture is called, where the cell says so."""
    path = cell.get("path") if isinstance(cell, dict) else cell
    return path if isinstance(path, str) else ""


def beside(folder: Path, path: str) -> Path | None:
    """Return a file below a folder by the path that a cell names; nothing outside of it is read.

    A link in the folder, as the hub's cache is full of, is followed.
    """
    file = Path(os.path.normpath(folder / path))
    inside = file.is_relative_to(os.path.normpath(folder))
    return file if inside and file.is_file() else None


def require_utf8(name: str, where: str) -> str:
    """Return a file's name, or refuse one that is in another encoding and so has no letters."""
    try:
        name.encode()
    except UnicodeEncodeError:
        shown = name.encode("utf-8", "surrogateescape").decode("ascii", "backslashreplace")
        raise UsageError(
            f"holds a file whose name is not UTF-8: {shown}",
            where=where,
            hint="rename it, as with convmv",
        ) from None
    return name
