"""The addresses of pictures, and the files behind them.

An address holds the digest of its picture, so a browser may keep it for good. Only the albums of
the reports and the finished folders of the store have addresses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from harness.errors import HarnessError
from harness.pipeline.results import album
from harness.pipeline.results.album import Shot
from harness.pipeline.results.file import ResultFile
from harness.pipeline.stages.files import UNREADABLE
from harness.views.reports_index import Entry, ReportsIndex, key_of

SMALL, WHOLE = "/pictures", "/artifacts"
PICTURES = {".webp": "image/webp", ".png": "image/png"}
WEIGHTS = {".safetensors": "application/octet-stream"}
"""The file types that the store serves, with their media types."""
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


def small_address(entry: Entry, shot: Shot) -> str | None:
    """Return the address of a shot's small picture."""
    if shot.picture is None:
        return None
    return f"{SMALL}/{quote(entry.name)}/{shot.picture}"


def cover(entry: Entry) -> str:
    """Return the address of a result's first picture, whichever that is."""
    return f"{SMALL}/{quote(entry.name)}/{COVER}"


def full_address(index: ReportsIndex, entry: Entry, shot: Shot) -> str | None:
    """Return the address of a shot in full, where the store has it."""
    if shot.file is None or not index.has(entry, shot.side):
        return None
    return f"{WHOLE}/{key_of(entry, shot.side)}/{quote(shot.file)}"


def addresses(index: ReportsIndex, entry: Entry, shot: Shot | None) -> dict[str, str | None]:
    """Return a shot's addresses, small and in full; of no shot there are none."""
    if shot is None:
        return {"src": None, "full": None}
    return {"src": small_address(entry, shot), "full": full_address(index, entry, shot)}


def serve_small(index: ReportsIndex, path: str) -> Served | None:
    """Return what `/pictures/<result>/<digest>.webp` shows: from the result's album, or else made
    from the image in the store."""
    if not _can_be(path):
        return None
    name, _, picture = path.rpartition("/")
    reports = index.reports.resolve()
    file = (reports / f"{name}.json").resolve()
    if not file.is_relative_to(reports):
        return None
    if picture == COVER:
        picture = _first(index, name)
    if not _PICTURE.fullmatch(picture):
        return None
    data = album.picture(ResultFile(file).album_path, picture)
    if data is None:
        data = _made(index, name, picture)
    return None if data is None else Served("image/webp", data=data)


def _can_be(path: str) -> bool:
    """Return whether a file system takes this for a path at all."""
    parts = path.encode("utf-8", "surrogatepass").split(b"/")
    return max(map(len, parts)) < LONGEST and "\0" not in path


def _first(index: ReportsIndex, name: str) -> str:
    """Return the name of a result's first picture; nothing where it has none."""
    try:
        return index.cover(index.find(name))
    except HarnessError:
        return ""


def _made(index: ReportsIndex, name: str, picture: str) -> bytes | None:
    """Return a small picture of an image whose result has no album."""
    try:
        entry = index.find(name)
    except HarnessError:
        return None
    shot = next((each for each in index.shots(entry) if each.picture == picture), None)
    address = full_address(index, entry, shot) if shot else None
    served = at_address(index, address) if address else None
    try:
        return album.small(served.file) if served and served.file else None
    except UNREADABLE:
        return None


def at_address(index: ReportsIndex, address: str) -> Served | None:
    """Return what an address of ours shows, as a page writes it."""
    path = unquote(address)
    if path.startswith(f"{WHOLE}/"):
        return serve_full(index, path.removeprefix(f"{WHOLE}/"))
    return serve_small(index, path.removeprefix(f"{SMALL}/"))


def serve_full(index: ReportsIndex, path: str) -> Served | None:
    """Return what `/artifacts/<key>/<file>` shows: a picture or weights of a result that is shown.

    Artifacts of other results have no address.
    """
    key, _, name = path.partition("/") if _can_be(path) else ("", "", "")
    types = _types(index.roles_of(key)) if _KEY.fullmatch(key) else {}
    folder = index.store.find(key) if types else None
    if folder is None:
        return None
    file = (folder / name).resolve()
    kind = types.get(file.suffix.lower())
    if kind is None or not file.is_relative_to(folder.resolve()) or not file.is_file():
        return None
    return Served(kind, file=file)


def _types(roles: frozenset[str]) -> Mapping[str, str]:
    """Return what the views show of an artifact: pictures of a side, weights of a training."""
    return (PICTURES if roles & set(album.SIDES) else {}) | (WEIGHTS if "train" in roles else {})
