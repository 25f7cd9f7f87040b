"""Lines of JSON: each is ended by a newline, and by no other letter that ends one somewhere."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from harness.errors import UsageError


def lines_of(text: str) -> list[str]:
    """Return the lines that are not empty; `splitlines` would cut a word at U+2028 or U+0085."""
    return [line for line in text.split("\n") if line.strip()]


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with part.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def copy_whole(source: Path, target: Path) -> None:
    """Copy a file whole or not at all, where it is there."""
    if source.is_file():
        part = target.with_name(f".{target.name}.part")
        shutil.copyfile(source, part)
        part.replace(target)


def below(folder: Path, *names: str) -> Path:
    """Return a place in a folder; a name that another's file gives must not lead out of it."""
    for name in names:
        if name in ("", ".", "..") or set(name) & set("/\\\0"):
            raise UsageError(f"{name!r} cannot be the name of a file", hint="rename the result")
    return folder.joinpath(*names)
