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
from harness.fingerprint import digest
from harness.interfaces import Picture
from harness.pages.decoding import Reading
from harness.pages.stages import DataSpec
from harness.pipeline.stages.files import save_png
from harness.pipeline.stages.finished import FinishedFiles

JOURNAL = "scratch-reading.jsonl"
THREADS = min(8, os.cpu_count() or 1)
Numbered = tuple[int, Picture]


def read_all(
    pictures: Iterable[Picture], spec: DataSpec, folder: Path, counts: PictureCounts
) -> Iterator[tuple[Picture, str, PictureOutcome]]:
    """Yield each picture, the file it was written to, and what became of it, in order."""
    known, finished, dropped = _known(folder / JOURNAL), FinishedFiles(folder), []

    def work(item: Numbered) -> PictureOutcome:
        number, picture = item
        seen = known.get(number)
        name = name_of(number)
        if seen is not None and seen.id == picture.id and (seen.dropped or finished.has(name)):
            return seen
        taken = _take(picture, spec, folder / name)
        if not taken.dropped:
            finished.add(name)
        return taken

    with (folder / JOURNAL).open("a", encoding="utf-8") as journal:
        for (number, picture), seen in in_order(work, enumerate(pictures), THREADS):
            if known.get(number) != seen:
                journal.write(_line(number, seen))
                journal.flush()
            judged = counts.judge(seen)
            if judged.dropped:
                dropped.append(number)
            yield picture, name_of(number), judged
    for number in dropped:
        (folder / name_of(number)).unlink(missing_ok=True)


def name_of(number: int) -> str:
    return f"images/{number:08d}.png"


def _line(number: int, seen: PictureOutcome) -> str:
    """Return a line of the journal, with a digest of what it says."""
    said = json.loads(json.dumps({"number": number, **asdict(seen)}))
    return json.dumps({**said, "digest": digest(said)}) + "\n"


def _known(journal: Path) -> dict[int, PictureOutcome]:
    """Return what was written down before a kill; a line that has changed counts for nothing."""
    known: dict[int, PictureOutcome] = {}
    text = journal.read_bytes().decode("utf-8", "replace") if journal.is_file() else ""
    for line in lines_of(text):
        try:
            values = json.loads(line)
            if digest({name: values[name] for name in values if name != "digest"}) != values.pop(
                "digest"
            ):
                continue
            number, kinds = values.pop("number"), tuple(values.pop("kinds"))
            known[number] = PictureOutcome(kinds=kinds, **values)
        except (ValueError, KeyError, TypeError):
            continue
    return known


def _take(picture: Picture, spec: DataSpec, file: Path) -> PictureOutcome:
    """Write one picture where it can be read, and return what it is."""
    try:
        image, kinds = read(picture, spec.reading)
    except Unfit as error:
        return PictureOutcome(picture.id, dropped=error.kind, reason=str(error))
    save_png(squared(image, spec.square), file)
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


def squared(image: Image.Image, side: int | None) -> Image.Image:
    """Return the middle square of a picture at `side` pixels; the picture itself for None."""
    if side is None or image.size == (side, side):
        return image
    return ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS)
