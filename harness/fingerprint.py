"""Digests of values and files, the same on every machine; and the version of this package."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from harness.files import open_regular

VERSION = "0.1.0"
"""The package's own, which every artifact and result carries."""
_BLOCK = 1 << 20


def canonical(value: Any) -> str:
    """Return `value` as JSON with sorted keys and no choice left in its spelling."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def digest(value: Any) -> str:
    """Return the sha256 of a JSON-like value."""
    return hashlib.sha256(canonical(value).encode("utf-8")).hexdigest()


def digest_bytes(data: bytes) -> str:
    """Return the sha256 of bytes."""
    return hashlib.sha256(data).hexdigest()


def digest_file(path: Path) -> str:
    """Return the sha256 of a file's bytes."""
    sha = hashlib.sha256()
    with open_regular(path) as stream:
        while block := stream.read(_BLOCK):
            sha.update(block)
    return sha.hexdigest()


def digest_input(path: Path) -> str:
    """Return the sha256 of a file that is read and not checked: once, while it stays as it is."""
    facts = path.stat()
    return _digest_known(path.resolve(), facts.st_size, facts.st_mtime_ns)


@cache
def _digest_known(path: Path, size: int, changed: int) -> str:
    return digest_file(path)


def number_of(*parts: str | int) -> int:
    """Return a 63-bit seed that depends on every part: one random stream a name."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
