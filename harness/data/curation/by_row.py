"""Curate a data section row by row, with the pictures of the rows that are kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from harness import plugins
from harness.data.curation.boosters import drawn, portion
from harness.data.curation.left_out import require_ids
from harness.data.curation.recaption import recaptioned
from harness.data.curation.rules import (
    NEAR_DUPLICATES,
    WEIGHT,
    CurationSettings,
    asked,
    failed_rule,
)
from harness.data.decoding import Unfit, read
from harness.data.facts import picture_hash
from harness.data.hashes import dhash
from harness.data.near_duplicates import Neighbours
from harness.interfaces import Picture, SourceSpec
from harness.pages.stages import DataSpec

Hashing = Callable[[Picture], int | None]
"""A picture → its perceptual hash, None where it has none."""


def select(spec: DataSpec, dropped: Counter[str]) -> Iterator[Picture]:
    """Yield the pictures to be kept; `dropped` counts the others by rule."""

    def hashing(picture: Picture) -> int | None:
        try:
            return dhash(read(picture, spec.reading)[0])
        except Unfit:
            return None

    page = CurationSettings(
        spec.part,
        spec.curate,
        recaption=spec.recaption,
        without=spec.without,
        validation=spec.validation,
    )
    ids: set[str] = set()
    sources = [source for source in (spec.source, spec.booster) if source is not None]
    kept = 0
    for picture in curate(_rows(sources, page, ids), page, dropped, hashing):
        yield picture
        kept += 1
    page = replace(page, curate=spec.curate.model_copy(update={"limit": None}))
    for number, booster in enumerate(spec.boosters):
        passing = list(curate(_rows([booster.source], page, ids), page, dropped, hashing))
        wanted = portion(kept, spec.boosters, number, len(passing))
        if wanted < len(passing):
            dropped[WEIGHT] += len(passing) - wanted
        for at in drawn([each.id for each in passing], number, wanted):
            yield passing[at]
    require_ids(page.without, ids)


def _rows(
    sources: Iterable[SourceSpec], page: CurationSettings, ids: set[str]
) -> Iterator[Picture]:
    """Yield every row; note its id in `ids` where the page leaves out some."""
    for source in sources:
        for picture in recaptioned(plugins.implementation(source)(source), page.recaption):
            if page.without:
                ids.add(picture.id)
            yield picture


def curate(
    pictures: Iterable[Picture],
    page: CurationSettings,
    dropped: Counter[str],
    hashing: Hashing | None = None,
) -> Iterator[Picture]:
    """Yield the pictures that pass every rule; `dropped` counts the others by rule.

    `hashing` is asked for the pictures whose metadata has no perceptual hash.
    """
    rules, distance, kept = asked(page), page.curate.near_duplicates, 0
    seen = None if distance is None else Neighbours(distance)
    for picture in pictures:
        rule = failed_rule(picture, rules)
        if rule is None and seen is not None and not _is_new(picture, seen, hashing):
            rule = NEAR_DUPLICATES
        if rule is not None:
            dropped[rule] += 1
            continue
        yield picture
        kept += 1
        if kept == page.curate.limit:
            return


def _is_new(picture: Picture, seen: Neighbours, hashing: Hashing | None) -> bool:
    """Return whether a picture differs from all before it, and remember it if so."""
    hashed = picture_hash((picture.facts or {}).get("phash"))
    if hashed is None and hashing is not None:
        hashed = hashing(picture)
        if hashed is None:
            return True  # a plain sheet; or reading will name what is wrong with it
    if hashed is None or seen.near(hashed) is not None:
        return False
    seen.add(hashed, picture.id)
    return True
