"""Digests of values and files, the same on every machine; and the version of this package."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

from harness.files import open_regular

VERSION = "0.1.0"
"""The package's own, which every artifact and result carries."""
_BLOCK = 1 << 20
_COARSE = 100_000_000
"""Nanoseconds in which a file system may give two changes one time."""
_KNOWN: dict[tuple[int, ...], str] = {}
"""Digests of files that stay as they are: by device, inode, size and times."""


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
    """Return the sha256 of a file: computed once, while the file system says it was not touched.

    A file that was touched a moment ago is not remembered: the clock of a file system is too coarse
    to tell the next change from the last.
    """
    facts = path.stat()
    touched = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
    if touched not in _KNOWN:
        found = digest_file(path)
        if time.time_ns() - facts.st_ctime_ns < _COARSE:
            return found
        _KNOWN[touched] = found
    return _KNOWN[touched]


def number_of(*parts: str | int) -> int:
    """Return a 63-bit seed that depends on every part: one random stream a name."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
