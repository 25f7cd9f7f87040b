"""Small pictures that a page carries in itself."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from PIL import Image

from harness.data.opening import open_image
from harness.pipeline.stages.files import UNREADABLE, Entry

THUMBNAIL = 192


def picture_of(folder: Path, entry: Entry) -> Path | None:
    """Return an entry's picture, if it has one and it lies where pictures lie."""
    if entry.file is None:
        return None
    file = (folder / entry.file).resolve()
    return file if file.is_relative_to(folder.resolve()) and file.is_file() else None


def thumbnail(file: Path) -> str:
    """Return a small WebP of an image as a data URI; small images stay lossless."""
    with open_image(file) as image:
        picture = image.convert("RGB")
    small = max(picture.size) <= THUMBNAIL
    picture.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", lossless=small, quality=80)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def readable_thumbnail(file: Path | None) -> str | None:
    """Return a thumbnail; None where there is no picture, or it cannot be read."""
    try:
        return thumbnail(file) if file is not None else None
    except UNREADABLE:
        return None
