"""How stages leave pictures for each other: `images/` and one line a picture in `index.jsonl`."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from harness.data.opening import open_image
from harness.files import lines_of, whole

INDEX = "index.jsonl"
THREADS = min(16, os.cpu_count() or 1)
"""Threads of a stage that read, change and write pictures at once."""
EFFORT, LITTLE_EFFORT = 4, 1
"""How hard zlib tries, of 9: for pictures that are kept, and for those that a step throws away."""
EARLIER = "earlier"
"""The part that an earlier step plays which drew some of the same images, where there is one."""
_OPTIONAL = ("tags", "facts", "captions", "weight", "kinds")
UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
"""What Pillow raises for a file that is no picture, or too large."""


@dataclass(frozen=True)
class Entry:
    """One expected picture; without a file, `reason` says why."""

    id: str
    """The prompt's id, or the row's."""
    seed: int
    text: str
    file: str | None
    reason: str | None = None
    black: bool = False
    tags: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    captions: tuple[str, ...] = ()
    """Every caption, where there are several."""
    weight: float = 1.0
    kinds: tuple[str, ...] = ()
    """What a supplied picture was converted from, by the rules of reading."""

    @property
    def name(self) -> str:
        return f"{self.id} seed {self.seed}"


def write_index(folder: Path, entries: list[Entry]) -> None:
    lines = [json.dumps(_shown(entry), ensure_ascii=False, default=str) for entry in entries]
    (folder / INDEX).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _shown(entry: Entry) -> dict[str, Any]:
    """Return an entry as JSON, without optional fields at their default."""
    plain = Entry(entry.id, entry.seed, entry.text, entry.file)
    values: dict[str, Any] = asdict(entry)
    return {
        name: value
        for name, value in values.items()
        if name not in _OPTIONAL or value != getattr(plain, name)
    }


def read_index(folder: Path) -> list[Entry]:
    lines = lines_of((folder / INDEX).read_text(encoding="utf-8"))
    return [_entry(json.loads(line)) for line in lines]


def _entry(values: dict[str, Any]) -> Entry:
    for name in ("tags", "captions", "kinds"):
        if name in values:
            values[name] = tuple(values[name])
    return Entry(**values)


def save_png(image: Image.Image, file: Path, effort: int = EFFORT) -> None:
    """Write a PNG whole or not at all; other effort gives other bytes and the same pixels."""
    with whole(file, flush=False) as part:
        image.save(part, "PNG", compress_level=effort)


def open_picture(file: Path) -> Image.Image:
    """Return a picture in RGB; one that is RGB already is not copied, as `convert` would."""
    with open_image(file) as image:
        if image.mode != "RGB":
            return image.convert("RGB")
        image.load()
        return image


def pixels_of(file: Path) -> int:
    """Return how many pixels a picture has, by its head; 0 where it cannot be read."""
    try:
        with open_image(file) as image:
            return image.width * image.height
    except UNREADABLE:
        return 0


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of each file of a finished folder, as its manifest has it."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    files: dict[str, str] = manifest["files"]
    return files


def is_black(image: Image.Image) -> bool:
    """Return whether nothing in the picture is brighter than 8 of 255."""
    brightest = [high for _, high in image.convert("RGB").getextrema()]  # type: ignore[misc]
    return max(brightest) <= 8
