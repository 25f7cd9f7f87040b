"""Tar shards in the form of WebDataset: members that follow each other under one name are a row.

Heads are read one after the other, and a picture's bytes only where its row is kept, from its
place in the shard.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.data import opening
from harness.data.sources.file_patterns import required
from harness.data.sources.tar_shards import Members, id_of, image_of, rows
from harness.data.specs import Webdataset
from harness.data.tags import tags_of
from harness.errors import UsageError
from harness.interfaces import Picture


def webdataset(spec: Webdataset) -> Iterator[Picture]:
    """Yield the rows that have a picture, shard by shard."""
    for shard in required(spec.files, "data.source.files"):
        with shard.open("rb") as stream:
            for key, members in rows(shard):
                yield _picture(
                    shard,
                    key,
                    members,
                    {
                        kind: _read(stream, members[kind])
                        for kind in ("txt", "json", "cls")
                        if kind in members
                    },
                )


def _picture(shard: Path, key: str, members: Members, said: dict[str, bytes]) -> Picture:
    name = id_of(shard, key)
    facts = _facts(said["json"], f"{shard}:{key}.json") if "json" in said else {}
    if "cls" in said:
        facts["cls"] = _text(said["cls"], f"{shard}:{key}.cls").strip()
    written = facts.get("text") or facts.get("caption") or ""
    text = _text(said["txt"], f"{shard}:{key}.txt").strip() if "txt" in said else str(written)
    kind = image_of(members) or ""

    def read() -> bytes:
        with shard.open("rb") as stream:
            return _read(stream, members[kind])

    return Picture(
        id=name,
        open=lambda: opening.image_of(read()),
        text=text,
        tags=tuple(tags_of(facts["tags"]) if "tags" in facts else _split(text)),
        facts=facts,
        captions=(text,),
        read=read,
        name=f"{key}.{kind}",
    )


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _read(stream: Any, member: tarfile.TarInfo) -> bytes:
    stream.seek(member.offset_data)
    data: bytes = stream.read(member.size)
    return data


def _text(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError("is not UTF-8 text", where=where, hint="save it as UTF-8") from None


def _facts(data: bytes, where: str) -> dict[str, Any]:
    try:
        facts = json.loads(_text(data, where))
    except ValueError:
        facts = None
    if not isinstance(facts, dict):
        raise UsageError("is not a JSON object", where=where)
    return facts
