"""Sample: images to judge, drawn (`draw.py`), or copied where they were made elsewhere.

Who judges a folder draws nothing, and waits for no library that draws.
"""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

from harness.data.decoding import Unfit, decode, rule_of
from harness.data.prefetch import in_order
from harness.data.supplied import bytes_as_planned
from harness.interfaces import Progress, StageContext
from harness.pages.decoding import Reading
from harness.pages.stages import SampleSpec, SuppliedImage, SuppliedSpec
from harness.pipeline.stages.files import THREADS, Entry, is_black, save_png, write_index
from harness.pipeline.stages.reading import squared

log = logging.getLogger(__name__)
READING = Reading()
"""The rules by which supplied images are read: those of training data, at their defaults."""


def sample(spec: SampleSpec | SuppliedSpec, context: StageContext) -> None:
    """Write `images/` and the index of what became of each image that was asked for."""
    if isinstance(spec, SuppliedSpec):
        return _copy_supplied(spec, context)
    from harness.pipeline.stages.draw import draw  # imports diffusers

    draw(spec, context)


def _copy_supplied(spec: SuppliedSpec, context: StageContext) -> None:
    def copy(number: int) -> Entry:
        return _copy_image(spec.entries[number], spec, context.folder, f"images/{number:06d}.png")

    entries = []
    for number, entry in in_order(copy, range(len(spec.entries)), THREADS):
        entries.append(entry)
        context.report(Progress(number + 1, len(spec.entries), "images"))
    converted = Counter(kind for entry in entries for kind in entry.kinds)
    for kind, count in sorted(converted.items()):
        log.warning("%d supplied images are %s: %s", count, kind, rule_of(kind, READING))
    write_index(context.folder, entries)


def _copy_image(asked: SuppliedImage, spec: SuppliedSpec, folder: Path, target: str) -> Entry:
    """Copy one image to `folder / target` by the rules for pictures; an entry without says why."""
    prompt, name = (asked.prompt_id, asked.seed, asked.text), asked.file
    if asked.reason is not None:
        return Entry(*prompt, None, f"{name} {asked.reason}")
    data = bytes_as_planned(Path(spec.folder), asked)
    if data is None:
        return Entry(*prompt, None, f"{name} is missing")
    try:
        reading = READING.model_copy(update={"megapixels": spec.megapixels})
        picture, kinds = decode(data, name, reading)
    except Unfit as unfit:
        limit = f" (--megapixels is {spec.megapixels:g})" if unfit.kind == "too-large" else ""
        return Entry(*prompt, None, f"{name} cannot be read: {str(unfit)[:80]}{limit}")
    picture = squared(picture, spec.square)
    save_png(picture, folder / target)
    black = is_black(picture)
    return Entry(*prompt, target, f"{name} is black" if black else None, black, kinds=kinds)
