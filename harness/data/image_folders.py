"""Images that lie in a folder, whatever made them: their names, their bytes, their order."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from harness.data.opening import open_image
from harness.data.sources.file_patterns import IMAGES
from harness.errors import UsageError
from harness.files import is_inside, is_regular, read_regular
from harness.fingerprint import digest_bytes
from harness.pages.stages import SuppliedImage, SuppliedSpec

ENDINGS = tuple(sorted(IMAGES))
"""Those of real pictures too: the same folder holds the same pictures on either side."""
_LARGEST = 512_000_000
"""Bytes that one image may have."""
_FEW = 10
"""One image in so many may be smaller than the side at which all are seen."""


def images_below(folder: Path) -> Iterator[str]:
    """Yield the images below `folder`, relative to it, without hidden files and folders."""
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for file in (Path(root) / name for name in files if not name.startswith(".")):
            if file.suffix.lower() in ENDINGS and (is_regular(file) or not file.exists()):
                yield str(file.relative_to(folder))


def bytes_in(folder: Path, name: str) -> bytes | None:
    """Return the bytes of an image; None where it is not there, or lies outside the folder."""
    if not is_inside(folder, folder / name):
        return None
    try:
        return read_regular(folder / name, _LARGEST)
    except OSError:  # it is named as missing where it is scored
        return None


def content_of(name: str, data: bytes | None) -> str:
    """Return the digest of a file's bytes; its name where there are none to be read."""
    return spelled(name) if data is None else digest_bytes(data)


def unusable(folder: Path, name: str) -> str | None:
    """Return why an image may not be read, whatever its bytes are; None where it may."""
    if name != spelled(name):
        return "has a name that is not UTF-8"
    if not is_inside(folder, folder / name):
        return "leads out of the folder (copy the picture itself there)"
    return None


def spelled(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def numbered(folder: Path) -> tuple[SuppliedImage, ...]:
    """Return every image below `folder`, numbered in the order of names: 2.png before 10.png.

    Numbers stand where prompts would. Images of two folders that are called alike are compared
    pair by pair then; others are drawn together by chance, which makes no comparison wrong.
    """
    names = sorted(images_below(folder), key=_natural)
    if not names:
        raise UsageError(f"{folder} has no images", hint=f"files that end in {', '.join(ENDINGS)}")
    return tuple(
        SuppliedImage(
            file=spelled(name),
            prompt_id=f"picture-{number:05d}",
            seed=0,
            text=spelled(name),
            content=content_of(name, bytes_in(folder, name)),
            reason=unusable(folder, name),
        )
        for number, name in enumerate(names, 1)
    )


def evenly(spec: SuppliedSpec, count: int) -> SuppliedSpec:
    """Return `count` of the images, evenly spaced and numbered anew; all where there are fewer."""
    there = len(spec.entries)
    if count >= there:
        return spec
    entries = tuple(
        spec.entries[at * there // count].model_copy(update={"prompt_id": first.prompt_id})
        for at, first in enumerate(spec.entries[:count])
    )
    return spec.model_copy(update={"entries": entries})


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Return what a name sorts by: its numbers as numbers."""
    parts = re.split(r"([0-9]+)", name)
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts]


def usual_side(folder: Path) -> int | None:
    """Return the side that nine in ten images below `folder` have; None where none can be read.

    The smallest of them would let one thumbnail decide how small all the others are seen.
    """
    sides = []
    for name in images_below(folder):
        try:
            with open_image(folder / name) as image:
                sides.append(min(image.size))
        except (OSError, ValueError, Image.DecompressionBombError):
            continue  # it is named where it is read
    return sorted(sides)[len(sides) // _FEW] if sides else None
