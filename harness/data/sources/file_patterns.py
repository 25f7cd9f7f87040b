"""Which files a pattern names: `*` and `**` as in a shell, `{a,b}` and `{000..012}` spelt out."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from pathlib import Path

from harness.errors import StoreError, UsageError
from harness.files import open_regular
from harness.fingerprint import digest, digest_bytes, digest_input

IMAGES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif"})
MOST = 100_000
"""Names that braces may spell out."""
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


def files_of(pattern: str) -> list[Path]:
    """Return the files that are there, each once, in the order of the pattern, then by name."""
    return list(dict.fromkeys(file for name in spelt_out(pattern) for file in _there(name)))


def required(pattern: str, field: str) -> list[Path]:
    """Return the files of a pattern, and refuse one of whose names nothing is there."""
    lacking = [name for name in spelt_out(pattern) if not _there(name)]
    if lacking:
        more = f" (and {len(lacking) - 1} more)" if len(lacking) > 1 else ""
        raise UsageError(f"there is no file {lacking[0]}{more}", hint=f"correct {field}")
    return files_of(pattern)


def content_of(files: list[Path]) -> str:
    """Return one digest of the names and bytes of files."""
    return digest([[file.name, digest_input(file)] for file in files])


def read_unchanged(file: Path, digest_then: str) -> bytes:
    """Return the bytes of a file that had this digest; refuse it where it has another by now."""
    with open_regular(file) as stream:
        data = stream.read()
    if digest_bytes(data) != digest_then:
        raise StoreError("changed while being read", where=str(file), hint="run again")
    return data


def spelt_out(pattern: str) -> list[str]:
    """Return the pattern once for each choice of its braces."""
    patterns = []
    for name in _choices(pattern):
        patterns.append(name)
        if len(patterns) > MOST:
            raise UsageError(f"{pattern} names more than {MOST} files", hint="use * for a part")
    return patterns


def _choices(pattern: str) -> Iterator[str]:
    braces = _BRACES.search(pattern)
    if braces is None:
        yield pattern
        return
    before, after = pattern[: braces.start()], pattern[braces.end() :]
    for word in _words(braces.group(1)):
        yield from _choices(f"{before}{word}{after}")


def _words(inside: str) -> Iterator[str]:
    """Yield the words between two braces; a range keeps the zeros in front of its numbers."""
    numbers = _RANGE.fullmatch(inside)
    if numbers is None:
        yield from inside.split(",")
        return
    first, last = numbers.groups()
    for number in range(int(first), int(last) + 1):
        yield f"{number:0{len(first)}d}"


def _there(name: str) -> list[Path]:
    if Path(name).is_file():
        return [Path(name)]
    matches = glob.glob(name, recursive=True)  # noqa: PTH207 (a pattern may begin at the root)
    return [Path(each) for each in sorted(matches) if Path(each).is_file()]
