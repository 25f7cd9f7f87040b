"""What became of the pictures of a set: counted by kind, with the first names of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.data.decoding import DROPPED, RULES
from harness.data.near_duplicates import Neighbours
from harness.pages.decoding import Reading

NAMED = 5
"""Names that are given of each kind."""


@dataclass(frozen=True)
class PictureOutcome:
    """What one picture turned out to be; plain values, so that a line of text can hold it."""

    id: str
    kinds: tuple[str, ...] = ()
    dropped: str | None = None
    """The kind for which it is left out."""
    reason: str | None = None
    file: str | None = None
    """Digest of its bytes."""
    pixels: str | None = None
    """Digest of what it shows."""
    dhash: int | None = None


class PictureCounts:
    """Counts pictures in order, and knows those that were there before."""

    def __init__(self, rules: Reading) -> None:
        self._rules = rules
        self._counts: dict[str, dict[str, int]] = {"kept": {}, "dropped": {}}
        self._first: dict[tuple[str, str], list[str]] = {}
        self._files: dict[str, str] = {}
        self._pixels: dict[str, str] = {}
        self._near = Neighbours(rules.near_duplicates or 0)

    def judge(self, seen: PictureOutcome) -> PictureOutcome:
        """Count a picture, and return it as it is to be taken: dropped, where it repeats one."""
        outcome = seen if seen.dropped else self._compared(seen)
        if outcome.dropped:
            self._count("dropped", outcome.dropped, outcome.id)
        else:
            for kind in outcome.kinds:
                self._count("kept", kind, outcome.id)
            self._remember(outcome)
        return outcome

    def _compared(self, seen: PictureOutcome) -> PictureOutcome:
        rules = self._rules
        twin = self._files.get(seen.file or "")
        same = self._pixels.get(seen.pixels or "")
        if rules.duplicates == "same-file" and twin:
            return replace(seen, dropped="duplicate", reason=f"duplicate: the file of {twin}")
        if rules.duplicates == "same-pixels" and same:
            return replace(seen, dropped="duplicate", reason=f"duplicate: the pixels of {same}")
        if rules.near_duplicates is not None and seen.dhash is not None:
            near = self._near.near(seen.dhash)
            if near is not None:
                why = f"near-duplicate: nearly what {near} shows"
                return replace(seen, dropped="near-duplicate", reason=why)
        return replace(seen, kinds=(*seen.kinds, "duplicate")) if same else seen

    def _remember(self, seen: PictureOutcome) -> None:
        for known, digest in ((self._files, seen.file), (self._pixels, seen.pixels)):
            if digest:
                known.setdefault(digest, seen.id)
        if seen.dhash is not None:
            self._near.add(seen.dhash, seen.id)

    def _count(self, side: str, kind: str, name: str) -> None:
        self._counts[side][kind] = self._counts[side].get(kind, 0) + 1
        first = self._first.setdefault((side, kind), [])
        if len(first) < NAMED:
            first.append(name)

    def dropped(self) -> Mapping[str, int]:
        return self._counts["dropped"]

    def document(self) -> dict[str, Any]:
        """Return the counts by kind, what was done with each kind, and the first names."""
        return {
            side: {
                kind: {"count": count, "rule": rules[kind], "first": self._first[side, kind]}
                for kind, count in sorted(self._counts[side].items())
            }
            for side, rules in (("kept", RULES), ("dropped", DROPPED))
        }
