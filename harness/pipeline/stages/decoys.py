"""Decoys: pictures that are not in the reference's style; their words say of which kind they are.

Other styles come as they are. The reference's own pictures come spoiled, so that what is broken
does not pass for the style only because it is unlike the other styles.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from typing import TypeVar

from harness.interfaces import Progress, StageContext
from harness.metrics.style_probe import SPOILED
from harness.pages.stages import DecoysSpec
from harness.pipeline.stages.files import Entry, open_picture, read_index, save_png, write_index
from harness.pipeline.stages.treat import spoil

T = TypeVar("T")


def collect(spec: DecoysSpec, context: StageContext) -> None:
    """Write the pictures of all inputs: those of the reference spoiled, one damage each."""
    there = {
        kind: [entry for entry in read_index(folder) if entry.file]
        for kind, folder in context.inputs.items()
    }
    total = sum(min(spec.count, len(entries)) for entries in there.values())
    kept: list[Entry] = []
    for kind, entries in there.items():
        for entry in _written(kind, evenly(entries, spec.count), len(kept), context):
            kept.append(entry)
            context.report(Progress(len(kept), total, "images"))
    write_index(context.folder, kept)


def _written(
    kind: str, entries: Sequence[Entry], first: int, context: StageContext
) -> Iterator[Entry]:
    """Yield the entries of one input as they are written, numbered from `first`."""
    for at, entry in enumerate(entries):
        source = context.inputs[kind] / str(entry.file)
        file = f"images/{first + at:06d}.png"
        if kind == "reference":
            damage = SPOILED[at % len(SPOILED)]
            save_png(spoil(open_picture(source), damage, entry.id), context.folder / file)
            yield Entry(entry.id, entry.seed, damage, file)
        else:
            (context.folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, context.folder / file)
            yield Entry(entry.id, entry.seed, kind, file)


def evenly(entries: Sequence[T], most: int) -> list[T]:
    """Return no more than so many of them, evenly spread, in their order."""
    if len(entries) <= most:
        return list(entries)
    return [entries[at * len(entries) // most] for at in range(most)]
