"""Tar shards as they lie: members that follow each other under one name are a row.

Only heads are read. What a member is, is said by what follows the first dot of its name.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from harness.data.sources.file_patterns import IMAGES
from harness.data.sources.rows import require_utf8
from harness.errors import UsageError

_NAME = re.compile(r"((?:.*/)?[^./][^./]*)\.([^/]*)")
Members = dict[str, tarfile.TarInfo]


def ids(shards: Sequence[Path]) -> Iterator[str]:
    return (id_of(shard, key) for shard in shards for key, _ in rows(shard))


def rows(shard: Path) -> Iterator[tuple[str, Members]]:
    """Yield each row's name and members, by what they are."""
    try:
        with tarfile.open(shard, "r:") as tar:
            named = (
                (match.groups(), each)
                for each in tar
                if each.isfile() and (match := _NAME.fullmatch(each.name))
            )
            for key, row in groupby(named, key=lambda pair: pair[0][0]):
                require_utf8(key, str(shard))
                members = {kind.lower(): each for (_, kind), each in row}
                if image_of(members):
                    yield key, members
            _require_end(shard, tar.offset)
    except tarfile.TarError as error:
        raise UsageError(
            f"is no plain tar file that can be read: {error}",
            where=str(shard),
            hint="fetch it again, or unpack .tar.gz to .tar",
        ) from error


def _require_end(shard: Path, offset: int) -> None:
    """Refuse a shard that stops without the empty block that ends every tar file."""
    with shard.open("rb") as stream:
        stream.seek(offset)
        if stream.read(tarfile.BLOCKSIZE) != b"\0" * tarfile.BLOCKSIZE:
            raise tarfile.ReadError("it is cut off")


def image_of(members: Members) -> str | None:
    return next((kind for kind in members if f".{kind}" in IMAGES), None)


def id_of(shard: Path, key: str) -> str:
    return f"{shard.stem}/{key}"
