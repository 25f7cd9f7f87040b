"""A disk that is full or only for reading, in words, whichever library came upon it."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import StoreError

_FULL = {errno.ENOSPC, errno.EDQUOT}
_READ_ONLY = {errno.EROFS}
_WORDS = {
    "No space left on device": _FULL,
    "Disk quota exceeded": _FULL,
    "database or disk is full": _FULL,
    "Read-only file system": _READ_ONLY,
    "attempt to write a readonly database": _READ_ONLY,
}
"""How libraries say it that raise errors of their own."""


@contextmanager
def disk_in_words(*folders: Path) -> Iterator[None]:
    """Raise what a full or a read-only disk does to the block as a `StoreError`.

    `folders` are those that the block writes to. All other errors pass.
    """
    try:
        yield
    except Exception as error:
        told = _told(error, folders)
        if told is None:
            raise
        raise told from error


def _told(error: Exception, folders: tuple[Path, ...]) -> StoreError | None:
    kinds = {getattr(error, "errno", None)}
    for words, own in _WORDS.items():
        if words in str(error) and not isinstance(error, StoreError):
            kinds |= own
    named = getattr(error, "filename", None)
    if kinds & _FULL:
        return StoreError(
            "the disk is full",
            where=str(named or _fullest(folders)),
            hint="make room, and run the same command again: it goes on from here",
        )
    if kinds & _READ_ONLY:
        return StoreError(
            "the disk is read-only",
            where=str(named or ", ".join(map(str, folders))),
            hint="use another --store or --reports",
        )
    return None


def _fullest(folders: tuple[Path, ...]) -> Path:
    """Return the folder whose disk has the least room left."""
    there = [folder for folder in folders if folder.exists()] or [Path.cwd()]
    return min(there, key=lambda folder: shutil.disk_usage(folder).free)
