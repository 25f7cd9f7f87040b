"""From a row's words to the texts that are trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from harness.data.curation.cleaning import clean_tags, clean_text
from harness.data.facts import value_of, word_of, year_of
from harness.fingerprint import number_of
from harness.pages.data import Bound, Caption, spoken

READINGS = 8
"""How many readings of a picture's words are prepared where they vary."""


class Row(Protocol):
    """What a caption is written from."""

    @property
    def id(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def tags(self) -> tuple[str, ...]: ...
    @property
    def facts(self) -> Mapping[str, Any] | None: ...
    @property
    def captions(self) -> tuple[str, ...]: ...


def readings(row: Row, rules: Caption) -> list[str]:
    """Return every text that stands for `row`: one, or more where its words vary."""
    count = rules.variants or max(len(row.captions), READINGS if varies(rules) else 1)
    texts = [write_caption(row, rules, number) for number in range(count)]
    return list(dict.fromkeys(texts))


def write_caption(row: Row, rules: Caption, reading: int = 0) -> str:
    """Return one caption of `row`: prefix, scale words, tags, sentence, joined by commas."""
    sentence = row.captions[reading % len(row.captions)] if row.captions else row.text
    sentence = clean_text(sentence, rules.clean) if "caption" in rules.words else ""
    tags = clean_tags(row.tags, rules.clean) if "tags" in rules.words else []
    tags = keep_important(tags, rules.important)
    if varies(rules):
        if rules.words == "caption":
            tags, sentence = [part.strip() for part in sentence.split(",")], ""
        tags = _varied(tags, rules, np.random.default_rng(number_of("words", row.id, reading)))
    parts = [rules.prefix, *scale_words(row.facts or {}, rules), *tags, sentence]
    return ", ".join(part for part in parts if part)


def varies(rules: Caption) -> bool:
    """Return whether a row's words are shown in other orders, or not all of them."""
    return rules.shuffle or rules.tag_dropout > 0


def _varied(tags: list[str], rules: Caption, rng: np.random.Generator) -> list[str]:
    """Return the tags without those that drop out, in another order behind the first ones."""
    fixed, free = tags[: rules.keep_first], tags[rules.keep_first :]
    dropped = rng.random(len(free)) < rules.tag_dropout
    kept = [tag for tag, drops in zip(free, dropped, strict=True) if not drops]
    if rules.shuffle:
        kept = [kept[place] for place in rng.permutation(len(kept))]
    return [*fixed, *kept]


def keep_important(tags: Sequence[str], important: tuple[str, ...] | None) -> list[str]:
    """Return the tags that matter, in their own order, with spaces for underscores."""
    said = [spoken(tag) for tag in tags]
    if important is None:
        return said
    wanted = {spoken(tag) for tag in important}
    return [tag for tag in said if tag in wanted]


def scale_words(facts: Mapping[str, Any], rules: Caption) -> list[str]:
    """Return the words that a row's score, aesthetic, rating and year earn it."""
    words = [
        _first(rules.score_tags, facts.get("score")),
        _first(rules.aesthetic_tags, facts.get("aesthetic")),
        rules.rating_tags.get(word_of(facts.get("rating")) or "", ""),
    ]
    if rules.year and (year := year_of(facts.get("year"))):
        words.append(f"year {year}")
    return [word for word in words if word]


def _first(scale: tuple[Bound, ...], fact: Any) -> str:
    if (value := value_of(fact)) is None:
        return ""
    return next((bound.tag for bound in scale if bound.holds(value)), "")
