"""The pictures that a data section names: read, recaptioned, curated, and mixed, row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from harness import plugins
from harness.data.curation.boosters import drawn, portion
from harness.data.curation.by_row import curate
from harness.data.curation.recaption import recaptioned
from harness.data.decoding import Unfit, read
from harness.data.hashes import dhash
from harness.interfaces import Picture, SourceSpec
from harness.pages.split import belongs
from harness.pages.stages import DataSpec


def select(spec: DataSpec, dropped: Counter[str]) -> Iterator[Picture]:
    """Yield the pictures to be kept; `dropped` counts the others by rule."""

    def look(picture: Picture) -> int | None:
        try:
            return dhash(read(picture, spec.reading)[0])
        except Unfit:
            return None

    kept = 0
    for picture in curate(_rows(spec, dropped), spec.curate, dropped, look):
        yield picture
        kept += 1
    rules = spec.curate.model_copy(update={"limit": None})
    for number, booster in enumerate(spec.boosters):
        rows = _of(booster.source, spec, dropped)
        passing = list(curate(rows, rules, dropped, look))
        wanted = portion(kept, spec.boosters, number, len(passing))
        if wanted < len(passing):
            dropped["weight"] += len(passing) - wanted
        for place in drawn([each.id for each in passing], number, wanted):
            yield passing[place]


def _rows(spec: DataSpec, dropped: Counter[str]) -> Iterator[Picture]:
    for source in (spec.source, spec.booster):
        if source is not None:
            yield from _of(source, spec, dropped)


def _of(source: SourceSpec, spec: DataSpec, dropped: Counter[str]) -> Iterator[Picture]:
    """Yield the rows of the part that is asked for; `dropped` counts the others by their part."""
    for picture in recaptioned(plugins.implementation(source)(source), spec.recaption):
        if belongs(picture.id, spec.part):
            yield picture
        else:
            dropped["train" if spec.part == "held-out" else "held-out"] += 1
