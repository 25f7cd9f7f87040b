"""Damage: real pictures in several known bad states, for metrics that learn what is broken."""

from __future__ import annotations

from PIL import Image

from harness.interfaces import Progress, StageContext
from harness.pages.stages import DamageSpec, Treatment
from harness.pipeline.stages.decoys import evenly
from harness.pipeline.stages.files import (
    Entry,
    is_black,
    open_picture,
    read_index,
    save_png,
    write_index,
)
from harness.pipeline.stages.treat import spoil


def damage_each(spec: DamageSpec, context: StageContext) -> None:
    """Write every picture once a kind of damage, under its own id, with the kind as its prompt.

    Pictures that are made smaller first are there as they are too: that they are small is no
    damage.
    """
    folder = context.inputs["images"]
    present = [entry for entry in read_index(folder) if entry.file]
    chosen = evenly(present, spec.count)
    entries: list[Entry] = []
    for number, entry in enumerate(chosen):
        picture = open_picture(folder / str(entry.file))
        is_large = max(picture.size) > spec.largest
        if is_large:
            picture.thumbnail((spec.largest, spec.largest))
        kinds: tuple[Treatment, ...] = (*spec.kinds, "none") if is_large else spec.kinds
        for kind in kinds:
            file = f"images/{len(entries):06d}.png"
            spoiled = _black(picture) if kind == "black" else spoil(picture, kind, entry.id)
            save_png(spoiled, context.folder / file)
            entries.append(Entry(entry.id, number, kind, file, black=is_black(spoiled)))
        context.report(Progress(number + 1, len(chosen), "pictures"))
    write_index(context.folder, entries)


def _black(picture: Image.Image) -> Image.Image:
    """Leave nothing of a picture: of a set that is judged, `treat` leaves three in four."""
    return Image.new("RGB", picture.size)
