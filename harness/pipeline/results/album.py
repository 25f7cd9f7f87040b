"""The pictures of a result, small, in one file that stands beside it and travels with it.

An album is a plain zip: `index.jsonl` says what every image answers, and each picture is a WebP
named by the digest of the image it was made from, so that a name never means two pictures. It is
written once, and never when its result's images are the same. Full-size images stay in the store.
"""

from __future__ import annotations

import io
import json
import logging
import lzma
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from harness.data.opening import image_of, open_image
from harness.files import lines_of, open_regular, whole
from harness.fingerprint import digest_bytes
from harness.pipeline.stages.files import UNREADABLE, digests, read_index

INDEX = "index.jsonl"
log = logging.getLogger(__name__)
SIDES = ("sample", "captions", "bare", "originals")
"""Steps whose pictures an album shows."""
SIDE = 256
"""Pixels of the longer side."""
QUALITY = 75
FAR = 6.0
"""Levels of 255 that pictures of another release of the WebP library lie apart at most."""
_LARGEST_PICTURE, _LARGEST_INDEX, _LARGEST_DIRECTORY = 1 << 20, 32 << 20, 8 << 20
"""Bytes of one small picture, of the index, and of the list of entries, some 100,000 of them."""
_TAIL = (1 << 16) + 22
"""Bytes in which the end of a zip says how long its list is."""
_NAME = re.compile(r"[0-9a-zA-Z_-][0-9a-zA-Z_.-]{0,99}")
_DAMAGED = (
    OSError,
    LookupError,
    ValueError,
    RuntimeError,
    EOFError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
)
"""What the standard library raises where a zip is encrypted, cut or of an unknown method."""
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Shot:
    """One image of a result, or what became of it."""

    id: str
    """The prompt's."""
    seed: int
    text: str
    picture: str | None = None
    """The name of its small picture."""
    file: str | None = None
    """Where the store has it in full, below the folder of its step."""
    reason: str | None = None
    side: str = "sample"
    """Which step of the result drew or collected it."""


def write(
    target: Path, sides: Mapping[str, Path], wanted: Mapping[str, Iterable[str]] | None = None
) -> None:
    """Write the album of the pictures below each side's folder, unless it stands there already.

    `wanted` names the ids to take of a side; without it, a side is taken whole.
    """
    shots = _shots(sides, wanted)
    index = _index(shots)
    if _index_of(target) == index and not problems(target):
        return
    files = _files(shots)
    with whole(target) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as album:
        for name, data in _drawn(files):
            album.writestr(zipfile.ZipInfo(name, _EPOCH), data)
        album.writestr(zipfile.ZipInfo(INDEX, _EPOCH), index)


def _shots(
    sides: Mapping[str, Path], wanted: Mapping[str, Iterable[str]] | None
) -> list[tuple[Path, Shot]]:
    """Return each shot of an album with the folder of its image."""
    return [
        (folder, shot)
        for side, folder in sides.items()
        for shot in shots_of(side, folder, (wanted or {}).get(side))
    ]


def _index(shots: Sequence[tuple[Path, Shot]]) -> str:
    return "".join(json.dumps(_plain(shot), ensure_ascii=False) + "\n" for _, shot in shots)


def _files(shots: Sequence[tuple[Path, Shot]]) -> dict[str, Path]:
    """Return the image of each small picture, by the picture's name."""
    return {
        shot.picture: folder / shot.file
        for folder, shot in shots
        if shot.picture is not None and shot.file is not None
    }


def problems(file: Path) -> list[str]:
    """Return what is wrong with an album, whatever it should show."""
    try:
        with open_regular(file) as stream:
            _refuse_long_directory(stream)
            with zipfile.ZipFile(stream) as album:
                bad = album.testzip()
                names = set(album.namelist())
    except _DAMAGED as error:
        return [f"{file} cannot be read: {error}"]
    if bad is not None:
        return [f"{file} is damaged at {bad}"]
    shots = read(file)
    if INDEX not in names or (not shots and len(names) > 1):
        return [f"{file} has no index"]
    odd = names - {INDEX} - {shot.picture for shot in shots}
    return [f"{file} holds a file that its index does not name: {min(odd)}"] if odd else []


def differences(
    target: Path, sides: Mapping[str, Path], wanted: Mapping[str, Iterable[str]] | None = None
) -> list[str]:
    """Return how an album differs from the one that `write` would write."""
    shots = _shots(sides, wanted)
    if _index_of(target) != _index(shots):
        return [f"{target} lists other images than the store has"]
    files = _files(shots)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        shown = pool.map(lambda name: _shows(picture(target, name), name, files[name]), files)
        return [
            f"{target} shows {name} otherwise than the store"
            for name, is_same in zip(files, shown, strict=True)
            if not is_same
        ]


def _shows(data: bytes | None, name: str, file: Path) -> bool:
    """Return whether a small picture is that of an image."""
    expected = _small_or_nothing(name, file)
    if data is None or expected is None or data == expected:
        return data == expected
    try:
        ours, theirs = (np.asarray(image_of(each).convert("RGB")) for each in (expected, data))
    except UNREADABLE:
        return False
    if ours.shape != theirs.shape:
        return False
    return float(np.abs(ours.astype(np.int16) - theirs).mean()) <= FAR


def read(file: Path) -> list[Shot]:
    """Return every shot of an album; none where it is missing or cannot be read."""
    try:
        return [_shot(json.loads(line)) for line in lines_of(_index_of(file) or "")]
    except (ValueError, TypeError, RecursionError):
        return []


def _shot(values: dict[str, Any]) -> Shot:
    """Return a shot as a line of the index says it; a line that says something else is refused."""
    shot = Shot(**values)
    words = (shot.id, shot.text, shot.side)
    maybe = (shot.picture, shot.file, shot.reason)
    if not all(isinstance(each, str) for each in words) or type(shot.seed) is not int:
        raise TypeError("the index names no prompt, seed or text")
    if not all(each is None or isinstance(each, str) for each in maybe):
        raise TypeError("the index names no picture, file or reason")
    if any("\ud800" <= sign <= "\udfff" for each in (*words, *maybe) for sign in each or ""):
        raise ValueError("the index holds half a character")
    if shot.picture is not None and _NAME.fullmatch(shot.picture) is None:
        raise ValueError("a picture is not named by a digest")
    return shot


def first(file: Path) -> str:
    """Return the name of an album's first picture; nothing where it has none."""
    try:
        lines = (json.loads(line) for line in lines_of(_index_of(file) or ""))
        return next((_shot(each).picture or "" for each in lines if each.get("picture")), "")
    except (ValueError, TypeError, AttributeError, RecursionError):
        return ""


def picture(file: Path, name: str) -> bytes | None:
    """Return a small picture by its name, where the album has it."""
    return _unpacked(file, name, _LARGEST_PICTURE)


def _unpacked(file: Path, name: str, most: int) -> bytes | None:
    """Return an entry of at most so many bytes; None where it is missing, larger or damaged."""
    try:
        with open_regular(file) as stream:
            _refuse_long_directory(stream)
            with zipfile.ZipFile(stream) as album, album.open(name) as entry:
                data = entry.read(most + 1)
    except _DAMAGED:
        return None
    return data if len(data) <= most else None


def _refuse_long_directory(stream: BinaryIO) -> None:
    """Refuse an album whose list of entries is long, before Python makes an object of each."""
    stream.seek(0, os.SEEK_END)
    stream.seek(max(0, stream.tell() - _TAIL))
    end = stream.read()
    at = end.rfind(b"PK\x05\x06")
    if int.from_bytes(end[at + 12 : at + 16], "little") > _LARGEST_DIRECTORY:
        raise zipfile.BadZipFile("it has too many entries")
    stream.seek(0)


def small(file: Path, side: int = SIDE) -> bytes:
    """Return a small WebP of an image."""
    with open_image(file) as image:
        return _small(image, side)


def _small(image: Image.Image, side: int = SIDE) -> bytes:
    shown = image.convert("RGB")
    shown.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    shown.save(buffer, "WEBP", quality=QUALITY, method=6)
    return buffer.getvalue()


def _index_of(file: Path) -> str | None:
    data = _unpacked(file, INDEX, _LARGEST_INDEX)
    return None if data is None else data.decode("utf-8", "replace")


def shots_of(side: str, folder: Path, ids: Iterable[str] | None = None) -> Iterator[Shot]:
    """Yield what a side's folder has of every wanted image."""
    known, named = digests(folder), None if ids is None else frozenset(ids)
    for entry in read_index(folder):
        if named is not None and entry.id not in named:
            continue
        name = f"{known[entry.file][:32]}.webp" if entry.file else None
        yield Shot(entry.id, entry.seed, entry.text, name, entry.file, entry.reason, side)


def _plain(shot: Shot) -> dict[str, object]:
    blank = asdict(Shot("", 0, ""))
    return {
        name: value
        for name, value in asdict(shot).items()
        if name in ("id", "seed", "text") or value != blank[name]
    }


def _drawn(files: Mapping[str, Path]) -> Iterator[tuple[str, bytes]]:
    """Yield each picture that can be read, small; decoding runs in threads."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        drawn = pool.map(_small_or_nothing, files, files.values())
        for (name, file), data in zip(files.items(), drawn, strict=True):
            if data is not None:
                yield name, data
            else:
                log.warning("the album goes without %s, which is damaged", file)


def _small_or_nothing(name: str, file: Path) -> bytes | None:
    """Return an image, small, if it still has the digest by which its picture is called."""
    try:
        data = file.read_bytes()
        return _small(image_of(data)) if digest_bytes(data).startswith(_stem(name)) else None
    except UNREADABLE:
        return None


def _stem(name: str) -> str:
    return name.removesuffix(".webp")
