"""From a row's words to the text that is trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.interfaces import Picture
from harness.recipe import Bound, Caption


def write_caption(picture: Picture, rules: Caption) -> str:
    """Return the caption of `picture`: prefix, scale words, tags, sentence, joined by commas."""
    facts = picture.facts or {}
    parts = [rules.prefix, *scale_words(facts, rules)]
    if rules.words in ("tags", "tags+caption"):
        parts += keep_important(picture.tags, rules.important)
    if rules.words in ("caption", "tags+caption"):
        parts.append(picture.text)
    return ", ".join(part for part in parts if part)


def keep_important(tags: tuple[str, ...], important: tuple[str, ...] | None) -> list[str]:
    """Return the tags that matter, in their own order, with spaces for underscores."""
    spoken = [tag.replace("_", " ") for tag in tags]
    if important is None:
        return spoken
    wanted = {tag.replace("_", " ") for tag in important}
    return [tag for tag in spoken if tag in wanted]


def scale_words(facts: Mapping[str, Any], rules: Caption) -> list[str]:
    """Return the words that a row's score, aesthetic, rating and year earn it."""
    words = [
        _first(rules.score_tags, facts.get("score")),
        _first(rules.aesthetic_tags, facts.get("aesthetic")),
        rules.rating_tags.get(str(facts.get("rating")), ""),
    ]
    if rules.year and facts.get("year"):
        words.append(f"year {facts['year']}")
    return [word for word in words if word]


def _first(scale: tuple[Bound, ...], value: Any) -> str:
    if value is None:
        return ""
    return next((bound.tag for bound in scale if bound.holds(float(value))), "")
