"""Files that are written whole or not at all, read only where they are files; lines of a text."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from harness.errors import UsageError

PART = ".part"
"""How the temporary names end, by which a store knows what to remove from a finished folder."""


@contextmanager
def whole(path: Path, flush: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which becomes `path` when the block ends without error.

    After an error, nothing is left and `path` is as it was. Several processes may write the same
    path at once: each has a temporary path of its own, and the last one to end wins.

    Without `flush` it does not wait for the disk: right for pictures, of which there are many.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PART}")
    try:
        yield part
        if flush:
            _flush(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder beside `path`, which takes the place of `path` when the block ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PART}")
    part.mkdir()
    try:
        yield part
        if path.exists():
            old = path.with_name(f".{path.name}.{secrets.token_hex(4)}.old")
            path.replace(old)
            part.replace(path)
            shutil.rmtree(old)
        else:
            part.replace(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def remove_parts(folder: Path) -> None:
    """Remove the temporary files that a killed process left below a folder."""
    for part in [*folder.rglob(f"*{PART}")]:
        shutil.rmtree(part) if part.is_dir() else part.unlink()


def _flush(path: Path) -> None:
    """Wait until the disk has a file, so that a crash leaves no empty file under its last name."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, data: bytes) -> None:
    with whole(path) as part:
        part.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def copy_whole(source: Path, target: Path) -> None:
    """Copy a file whole or not at all, where it is there."""
    if source.is_file():
        with whole(target) as part:
            shutil.copyfile(source, part)


def is_regular(path: Path) -> bool:
    """Return whether a path leads to a regular file; no name makes that an error."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):  # links in a circle, a name too long, a null character
        return False


def is_folder(path: Path) -> bool:
    """Return whether a path leads to a folder; no name makes that an error."""
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file to read its bytes, and refuse a pipe or a device, which may wait forever.

    It asks before it opens, for a device may act when it is opened, and after, for a path may
    lead to something else by then.
    """
    _require_regular(path, path.stat().st_mode)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _require_regular(path, os.fstat(descriptor).st_mode)
    except OSError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def _require_regular(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is a pipe or a device, and no file", str(path))


def read_regular(path: Path, most: int) -> bytes:
    """Return the bytes of a regular file; one of more than `most` bytes is an OSError."""
    with open_regular(path) as stream:
        data = stream.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it has more than {megabytes(most)}", str(path))
    return data


def megabytes(count: int) -> str:
    return f"{count / 1e6:,.3g} MB"


def is_inside(folder: Path, path: Path) -> bool:
    """Return whether a path, with its links followed, stays in a folder; no name is an error."""
    try:
        real, root = os.path.realpath(path), os.path.realpath(folder)
    except (OSError, ValueError):
        return False
    return real == root or real.startswith(root.rstrip(os.sep) + os.sep)


def lines_of(text: str) -> list[str]:
    """Return the lines that are not empty; `splitlines` would cut a word at U+2028 or U+0085."""
    return [line for line in text.split("\n") if line.strip()]


def below(folder: Path, *names: str) -> Path:
    """Return a path in a folder; a name that another's file gives must not lead out of it."""
    for name in names:
        if name in ("", ".", "..") or set(name) & set("/\\\0"):
            raise UsageError(f"{name!r} cannot be the name of a file", hint="rename the result")
    return folder.joinpath(*names)
