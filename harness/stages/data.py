"""Collect: a source's rows, curated, as pictures on disk with their words beside them."""

from __future__ import annotations

import json
import logging
from collections import Counter

from PIL import Image, ImageOps

from harness.data.selection import select
from harness.errors import UsageError
from harness.interfaces import Picture, Progress, Workplace
from harness.stages.files import UNREADABLE, Entry, save_png, write_index
from harness.steps import DataSpec

log = logging.getLogger(__name__)


def collect(spec: DataSpec, place: Workplace) -> None:
    """Write `images/`, the index with what is known of each, and a report of what was dropped."""
    dropped: Counter[str] = Counter()
    entries = []
    for number, picture in enumerate(select(spec, dropped)):
        file = f"images/{number:08d}.png"
        try:
            if not (place.folder / file).exists():
                image = ImageOps.exif_transpose(picture.open()).convert("RGB")
                save_png(_squared(image, spec.square), place.folder / file)
            entries.append(_entry(picture, file))
        except (*UNREADABLE, AttributeError) as error:
            dropped["unreadable"] += 1
            reason = f"unreadable: {error}"
            entries.append(Entry(picture.id, 0, picture.text, None, reason=reason))
        place.report(Progress(number + 1, 0, "collecting"))
    kept = [entry for entry in entries if entry.file]
    broken = [entry.id for entry in entries if not entry.file]
    if broken:
        log.warning("left out, for they cannot be read: %s", _named(broken))
    if not kept:
        raise UsageError(
            f"no picture is left of {sum(dropped.values())}: {dict(dropped)}",
            hint="loosen data.curate, or check data.source and data.part",
        )
    write_index(place.folder, entries)
    report = {"kept": len(kept), "dropped": dict(sorted(dropped.items()))}
    (place.folder / "report.json").write_text(json.dumps(report, indent=1) + "\n")


def _named(ids: list[str]) -> str:
    rest = f" and {len(ids) - 5} more" if len(ids) > 5 else ""
    return ", ".join(ids[:5]) + rest


def _entry(picture: Picture, file: str) -> Entry:
    several = picture.captions if len(picture.captions) > 1 else ()
    return Entry(
        picture.id, 0, picture.text, file, tags=picture.tags, facts=dict(picture.facts or {}),
        captions=several, weight=picture.weight,
    )  # fmt: skip


def _squared(image: Image.Image, side: int | None) -> Image.Image:
    if side is None or image.size == (side, side):
        return image
    return ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS)
