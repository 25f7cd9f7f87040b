"""Which rows are kept, and which rule dropped the others.

Row by row, and the definition of every rule: rules.py does the same to columns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from harness.data.facts import below, hash_of, lot, value_of, word_of
from harness.data.near_duplicates import Neighbours
from harness.interfaces import Picture
from harness.pages.data import Curate, TagRules, spoken

SUBSET = "harness subset v1"
"""What a row's lot is drawn with, beside the salt and its id."""
Look = Callable[[Picture], int | None]
"""The perceptual hash of a picture whose metadata has none; None where there is none."""


def curate(
    pictures: Iterable[Picture], rules: Curate, dropped: Counter[str], look: Look | None = None
) -> Iterator[Picture]:
    """Yield the pictures that pass every rule; `dropped` counts the others by rule."""
    kept = 0
    seen = None if rules.near_duplicates is None else Neighbours(rules.near_duplicates)
    for picture in pictures:
        rule = failed_rule(picture, rules)
        if rule is None and seen is not None and not _is_new(picture, seen, look):
            rule = "near_duplicates"
        if rule is not None:
            dropped[rule] += 1
            continue
        yield picture
        kept += 1
        if kept == rules.limit:
            return


def failed_rule(picture: Picture, rules: Curate) -> str | None:
    """Return the first rule that `picture` breaks; a fact that is unknown breaks its rule.

    near_duplicates, which speaks of other rows, is not among them.
    """
    checks = (_sides, _facts, _tags, _lots)
    return next(
        (name for check in checks for name, holds in check(picture, rules) if not holds), None
    )


Checks = Iterator[tuple[str, bool]]


def _sides(picture: Picture, rules: Curate) -> Checks:
    facts = picture.facts or {}
    width, height = value_of(facts.get("width")), value_of(facts.get("height"))
    known = width is not None and height is not None
    width, height = width or 0.0, height or 0.0
    if rules.min_side is not None:
        yield "min_side", known and min(width, height) >= rules.min_side
    if rules.max_side is not None:
        yield "max_side", known and max(width, height) <= rules.max_side
    if rules.min_pixels is not None:
        yield "min_pixels", known and width * height >= rules.min_pixels
    if rules.aspect is not None:
        low, high = rules.aspect
        yield "aspect", bool(width and height) and low <= width / height <= high


def _facts(picture: Picture, rules: Curate) -> Checks:
    facts: Mapping[str, Any] = picture.facts or {}
    if rules.ratings is not None:
        yield "ratings", word_of(facts.get("rating")) in rules.ratings
    for name in ("score", "aesthetic", "year"):
        if (span := getattr(rules, name)) is not None:
            value = value_of(facts.get(name))
            yield name, value is not None and span.holds(value)


def _tags(picture: Picture, rules: Curate) -> Checks:
    """Yield the rules about tags; a row without any is one whose tags are unknown."""
    wanted = rules.tags or TagRules()
    there = {spoken(tag) for tag in picture.tags if tag}
    if wanted.all_of:
        yield "tags.all_of", there.issuperset(spoken(tag) for tag in wanted.all_of)
    if wanted.any_of:
        yield "tags.any_of", not there.isdisjoint(spoken(tag) for tag in wanted.any_of)
    if wanted.none_of:
        yield (
            "tags.none_of",
            bool(there) and there.isdisjoint(spoken(tag) for tag in wanted.none_of),
        )


def _lots(picture: Picture, rules: Curate) -> Checks:
    if rules.subset is not None:
        bound = below(rules.subset.share)
        drawn = lot(SUBSET, rules.subset.salt, picture.id)
        yield "subset", bound is None or drawn < bound


def _is_new(picture: Picture, seen: Neighbours, look: Look | None) -> bool:
    hashed = hash_of((picture.facts or {}).get("phash"))
    if hashed is None and look is not None:
        hashed = look(picture)
        if hashed is None:
            return True  # a plain sheet; or reading will name what is wrong with it
    if hashed is None or seen.near(hashed) is not None:
        return False
    seen.add(hashed, picture.id)
    return True
