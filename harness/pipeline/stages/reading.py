"""Turn rows into PNG files, in threads ahead of the caller; go on after a kill where it stopped.

The journal notes each picture once its file is there; so the report after a kill is that of a run
that was never stopped.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from PIL import Image, ImageOps

from harness.data.decoding import Unfit, read
from harness.data.hashes import dhash, pixels_of
from harness.data.picture_counts import PictureCounts, PictureOutcome
from harness.data.prefetch import in_order
from harness.files import lines_of
from harness.interfaces import Picture
from harness.pages.decoding import Reading
from harness.pages.stages import DataSpec
from harness.pipeline.stages.files import save_png

JOURNAL = "scratch-reading.jsonl"
THREADS = min(8, os.cpu_count() or 1)
Numbered = tuple[int, Picture]


def read_all(
    pictures: Iterable[Picture], spec: DataSpec, folder: Path, counts: PictureCounts
) -> Iterator[tuple[Picture, str, PictureOutcome]]:
    """Yield each picture, the file it was written to, and what became of it, in order."""
    known, dropped = _known(folder / JOURNAL), []

    def work(item: Numbered) -> PictureOutcome:
        number, picture = item
        seen = known.get(number)
        if seen is not None and seen.id == picture.id and _stands(seen, folder / name_of(number)):
            return seen
        return _take(picture, spec, folder / name_of(number))

    with (folder / JOURNAL).open("a", encoding="utf-8") as journal:
        for (number, picture), seen in in_order(work, enumerate(pictures), THREADS):
            if known.get(number) != seen:
                journal.write(json.dumps({"number": number, **asdict(seen)}) + "\n")
                journal.flush()
            judged = counts.judge(seen)
            if judged.dropped:
                dropped.append(number)
            yield picture, name_of(number), judged
    for number in dropped:
        (folder / name_of(number)).unlink(missing_ok=True)


def name_of(number: int) -> str:
    return f"images/{number:08d}.png"


def _known(journal: Path) -> dict[int, PictureOutcome]:
    """Return what was written down before a kill; a line that it cut off counts for nothing."""
    known: dict[int, PictureOutcome] = {}
    for line in lines_of(journal.read_text(encoding="utf-8")) if journal.is_file() else ():
        try:
            values = json.loads(line)
            number, kinds = values.pop("number"), tuple(values.pop("kinds"))
            known[number] = PictureOutcome(kinds=kinds, **values)
        except (ValueError, KeyError, TypeError):
            continue
    return known


def _stands(seen: PictureOutcome, file: Path) -> bool:
    return seen.dropped is not None or file.is_file()


def _take(picture: Picture, spec: DataSpec, file: Path) -> PictureOutcome:
    """Write one picture where it can be read, and return what it is."""
    try:
        image, kinds = read(picture, spec.reading)
    except Unfit as error:
        return PictureOutcome(picture.id, dropped=error.kind, reason=str(error))
    save_png(_squared(image, spec.square), file)
    return _seen(picture, image, kinds, spec.reading)


def _seen(
    picture: Picture, image: Image.Image, kinds: tuple[str, ...], rules: Reading
) -> PictureOutcome:
    needed = rules.duplicates == "same-file" and picture.read is not None
    return PictureOutcome(
        picture.id,
        kinds,
        file=hashlib.sha256(picture.read()).hexdigest() if needed and picture.read else None,
        pixels=pixels_of(image),
        dhash=None if rules.near_duplicates is None else dhash(image),
    )


def _squared(image: Image.Image, side: int | None) -> Image.Image:
    if side is None or image.size == (side, side):
        return image
    return ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS)
