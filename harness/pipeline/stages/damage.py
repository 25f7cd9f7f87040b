"""Damage: real pictures in several known bad states, for metrics that learn what is broken."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path

from PIL import Image

from harness.data.opening import open_image
from harness.data.prefetch import in_order
from harness.interfaces import Progress, StageContext
from harness.pages.stages import DamageSpec, Treatment
from harness.pipeline.stages.decoys import evenly
from harness.pipeline.stages.files import (
    THREADS,
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
    kinds = [_kinds(folder / str(entry.file), spec) for entry in chosen]
    first = [0, *accumulate(map(len, kinds))]

    def make(number: int) -> list[Entry]:
        entry = chosen[number]
        picture = open_picture(folder / str(entry.file))
        if max(picture.size) > spec.largest:
            picture.thumbnail((spec.largest, spec.largest))
        made = []
        for at, kind in enumerate(kinds[number], first[number]):
            file = f"images/{at:06d}.png"
            spoiled = _black(picture) if kind == "black" else spoil(picture, kind, entry.id)
            save_png(spoiled, context.folder / file)
            made.append(Entry(entry.id, number, kind, file, black=is_black(spoiled)))
        return made

    entries: list[Entry] = []
    for number, made in in_order(make, range(len(chosen)), THREADS):
        entries += made
        context.report(Progress(number + 1, len(chosen), "pictures"))
    write_index(context.folder, entries)


def _kinds(file: Path, spec: DamageSpec) -> tuple[Treatment, ...]:
    """Return what is done to a picture: nothing besides, where it is made smaller first."""
    with open_image(file) as image:
        return (*spec.kinds, "none") if max(image.size) > spec.largest else spec.kinds


def _black(picture: Image.Image) -> Image.Image:
    """Leave nothing of a picture: of a set that is judged, `treat` leaves three in four."""
    return Image.new("RGB", picture.size)
