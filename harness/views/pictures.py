"""Where pages find pictures: addresses that never change their meaning, and what lies behind them.

An address holds the digest of what it shows, so a browser may keep it for good. Nothing outside
the reports' albums and the store's finished folders has one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from harness.errors import HarnessError
from harness.pipeline.results import album
from harness.pipeline.results.album import Shot
from harness.pipeline.stages.files import UNREADABLE
from harness.pipeline.store.local import MANIFEST, Store
from harness.views.shelf import Held, Shelf, key_of

SMALL, WHOLE = "/pictures", "/artifacts"
TYPES = {
    ".webp": "image/webp",
    ".png": "image/png",
    ".safetensors": "application/octet-stream",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
}
"""What of the store may be asked for, and what it is."""
_PICTURE = re.compile(r"[0-9a-f]{32}\.webp")
_KEY = re.compile(r"[0-9a-f]{64}")
COVER = "cover.webp"
LONGEST = 240


@dataclass(frozen=True)
class Served:
    """Something that an address shows: a file, or bytes of its own."""

    media_type: str
    file: Path | None = None
    data: bytes | None = None


def small(held: Held, shot: Shot) -> str | None:
    """Return the address of a shot's small picture."""
    if shot.picture is None:
        return None
    return f"{SMALL}/{quote(held.name)}/{shot.picture}"


def cover(held: Held) -> str:
    """Return the address of a result's first picture, whichever that is."""
    return f"{SMALL}/{quote(held.name)}/{COVER}"


def whole(shelf: Shelf, held: Held, shot: Shot) -> str | None:
    """Return the address of a shot in full, where the store has it."""
    if shot.file is None or not shelf.has(held, shot.side):
        return None
    return f"{WHOLE}/{key_of(held, shot.side)}/{quote(shot.file)}"


def both(shelf: Shelf, held: Held, shot: Shot | None) -> dict[str, str | None]:
    """Return a shot's addresses, small and in full; of no shot there are none."""
    if shot is None:
        return {"src": None, "full": None}
    return {"src": small(held, shot), "full": whole(shelf, held, shot)}


def small_at(shelf: Shelf, path: str) -> Served | None:
    """Return what `/pictures/<result>/<digest>.webp` shows: from the result's album, or else made
    from the image in the store."""
    if not _can_be(path):
        return None
    name, _, picture = path.rpartition("/")
    reports = shelf.reports.resolve()
    file = (reports / f"{name}.json").resolve()
    if not file.is_relative_to(reports):
        return None
    if picture == COVER:
        picture = _first(shelf, name)
    if not _PICTURE.fullmatch(picture):
        return None
    data = album.picture(album.place_of(file), picture)
    if data is None:
        data = _made(shelf, name, picture)
    return None if data is None else Served("image/webp", data=data)


def _can_be(path: str) -> bool:
    """Return whether a file system takes this for a path at all."""
    parts = path.encode("utf-8", "surrogatepass").split(b"/")
    return max(map(len, parts)) < LONGEST and "\0" not in path


def _first(shelf: Shelf, name: str) -> str:
    """Return the name of a result's first picture; nothing where it has none."""
    try:
        return shelf.first(shelf.find(name))
    except HarnessError:
        return ""


def _made(shelf: Shelf, name: str, picture: str) -> bytes | None:
    """Return a small picture of an image whose result has no album."""
    try:
        held = shelf.find(name)
    except HarnessError:
        return None
    shot = next((each for each in shelf.shots(held) if each.picture == picture), None)
    address = whole(shelf, held, shot) if shot else None
    served = behind(shelf, address) if address else None
    try:
        return album.small(served.file) if served and served.file else None
    except UNREADABLE:
        return None


def behind(shelf: Shelf, address: str) -> Served | None:
    """Return what an address of ours shows, as a page writes it."""
    path = unquote(address)
    if path.startswith(f"{WHOLE}/"):
        return whole_at(shelf.store, path.removeprefix(f"{WHOLE}/"))
    return small_at(shelf, path.removeprefix(f"{SMALL}/"))


def whole_at(store: Store, path: str) -> Served | None:
    """Return what `/artifacts/<key>/<file>` shows: a file that the artifact's manifest names."""
    key, _, name = path.partition("/") if _can_be(path) else ("", "", "")
    folder = store.find(key) if _KEY.fullmatch(key) else None
    if folder is None or name == MANIFEST:
        return None
    file = (folder / name).resolve()
    kind = TYPES.get(file.suffix.lower())
    if kind is None or not file.is_relative_to(folder.resolve()) or not file.is_file():
        return None
    return Served(kind, file=file)
