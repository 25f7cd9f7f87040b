"""Which files of a step under way were finished before a kill, and are as they were then.

A stage goes on after a kill with what it finds in its folder. Each file is noted with its digest
once it is written whole; without its note, or with other bytes, it is made again.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

from harness.files import lines_of
from harness.fingerprint import digest_file, digest_input

NOTES = "scratch-finished.jsonl"
log = logging.getLogger(__name__)


class FinishedFiles:
    """The files of one folder that were noted; several processes may note at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._digests = _read(folder / NOTES)

    def add(self, name: str) -> None:
        """Note a file that was written whole."""
        found = digest_file(self._folder / name)
        self._digests[name] = found
        with (self._folder / NOTES).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"name": name, "digest": found}) + "\n")

    def has(self, name: str) -> bool:
        """Return whether a file is there as it was noted."""
        file = self._folder / name
        if name not in self._digests or not file.is_file():
            return False
        if digest_input(file) == self._digests[name]:
            return True
        log.warning("%s has changed since it was written: it is made again", file)
        return False


def _read(notes: Path) -> dict[str, str]:
    """Return the notes; a line that a kill cut off counts for nothing."""
    digests: dict[str, str] = {}
    if notes.is_file():
        for line in lines_of(notes.read_bytes().decode("utf-8", "replace")):
            try:
                note = json.loads(line)
                digests[str(note["name"])] = str(note["digest"])
            except (ValueError, KeyError, TypeError):
                continue
    return digests
