"""Which rows are kept, and which rule dropped the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from harness.dataset import Curate
from harness.interfaces import Picture


def curate(pictures: Iterable[Picture], rules: Curate, dropped: Counter[str]) -> Iterator[Picture]:
    """Yield the pictures that pass every rule; `dropped` counts the others by rule."""
    kept = 0
    for picture in pictures:
        rule = failed_rule(picture, rules)
        if rule is not None:
            dropped[rule] += 1
            continue
        yield picture
        kept += 1
        if kept == rules.limit:
            return


def failed_rule(picture: Picture, rules: Curate) -> str | None:
    """Return the first rule that `picture` breaks; a fact that is unknown breaks its rule."""
    facts = picture.facts or {}
    width, height = facts.get("width"), facts.get("height")
    if rules.min_side is not None and min(width or 0, height or 0) < rules.min_side:
        return "min_side"
    if rules.aspect is not None:
        low, high = rules.aspect
        if not width or not height or not low <= width / height <= high:
            return "aspect"
    if rules.ratings is not None and facts.get("rating") not in rules.ratings:
        return "ratings"
    return None
