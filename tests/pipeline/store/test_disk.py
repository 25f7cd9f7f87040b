"""What a user is told of a disk that is full or only for reading."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import pytest
from safetensors import SafetensorError

from harness.api.options import making
from harness.errors import StoreError
from harness.pipeline.store.disk import disk_in_words

FULL = [
    OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
    SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    sqlite3.OperationalError("database or disk is full"),
]


@pytest.mark.parametrize("error", FULL, ids=lambda error: type(error).__name__)
def test_a_full_disk_is_named_whichever_library_came_upon_it(
    error: Exception, tmp_path: Path
) -> None:
    with pytest.raises(StoreError) as caught, disk_in_words(tmp_path, tmp_path / "none"):
        raise error
    assert str(caught.value) == (
        f"{tmp_path}: the disk is full "
        "(make room, and run the same command again: it goes on from here)"
    )


def test_a_read_only_disk_is_named_by_its_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="/store/x: the disk is read-only"), disk_in_words():
        raise OSError(errno.EROFS, "Read-only file system", "/store/x")


@pytest.mark.parametrize("error", [OSError(errno.ENOENT, "no"), ValueError("x"), StoreError("y")])
def test_every_other_error_passes_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, disk_in_words():
        raise error
    assert caught.value is error


def test_every_function_that_makes_something_has_its_disk_in_words(tmp_path: Path) -> None:
    def fill(**options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StoreError, match="the disk is full"):
        making(fill)(store=tmp_path / "store", reports=tmp_path)
