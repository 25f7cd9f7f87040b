"""The pieces of a caption. Each is declared once: its words for a row, and the same in SQL.

Both engines join the pieces in PIECES from first to last with commas, and leave out empty ones. A
new piece is a field of `pages.data.Caption` and an entry here. Words that are shuffled or drop out
at random are written in Python alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.data.curation.cleaning import (
    clean_each_tag_sql,
    clean_tags,
    clean_text,
    clean_text_sql,
    joined_tags_sql,
)
from harness.data.curation.rules import Row
from harness.data.curation.table import MetadataTable
from harness.data.facts import number, word, year
from harness.data.sql import double, listed, literal
from harness.fingerprint import number_of
from harness.pages.data import Bound, Caption, spoken

READINGS = 8
"""How many readings of a picture's words are prepared where they vary."""
EMPTY = "''"


@dataclass(frozen=True)
class Piece:
    """One piece of a caption."""

    name: str
    """The field of `pages.data.Caption` that asks for it, or its word in the field `words`."""
    words: Callable[[Row, Caption, int], str]
    """A row, the page, and the number of the reading → the words; empty where there are none."""
    sql: Callable[[MetadataTable, Caption], str]
    """The words of the first reading: an expression, EMPTY where the page asks for none."""


def readings(row: Row, page: Caption) -> list[str]:
    """Return every text that stands for `row`: one, or more where its words vary."""
    count = page.variants or max(len(row.captions), READINGS if varies(page) else 1)
    texts = [write_caption(row, page, number) for number in range(count)]
    return list(dict.fromkeys(texts))


def write_caption(row: Row, page: Caption, reading: int = 0) -> str:
    """Return one caption of `row`: its pieces, joined by commas."""
    pieces = (piece.words(row, page, reading) for piece in PIECES)
    return ", ".join(words for words in pieces if words)


def varies(page: Caption) -> bool:
    """Return whether a row's words are shown in other orders, or not all of them."""
    return page.shuffle or page.tag_dropout > 0


def _scale(field: str, fact: str) -> Piece:
    """Return the piece that names the range in which a number lies."""

    def words(row: Row, page: Caption, _: int) -> str:
        value = number((row.facts or {}).get(fact))
        scale: tuple[Bound, ...] = getattr(page, field)
        reached = (bound.tag for bound in scale if value is not None and bound.holds(value))
        return next(reached, "")

    def sql(table: MetadataTable, page: Caption) -> str:
        value = f"({table.number(fact)})"
        scale: tuple[Bound, ...] = getattr(page, field)
        cases = [f" WHEN {_reached(bound, value)} THEN {literal(bound.tag)}" for bound in scale]
        return f"CASE{''.join(cases)} END" if cases else EMPTY

    return Piece(field, words, sql)


def _reached(bound: Bound, value: str) -> str:
    """Return `Bound.holds` in SQL."""
    if bound.at_least is not None:
        return f"{value} >= {double(bound.at_least)}"
    if bound.above is not None:
        return f"{value} > {double(bound.above)}"
    return f"{value} IS NOT NULL"


def _rating(row: Row, page: Caption, _: int) -> str:
    return page.rating_tags.get(word((row.facts or {}).get("rating")) or "", "")


def _rating_sql(table: MetadataTable, page: Caption) -> str:
    tags = {rating: tag for rating, tag in page.rating_tags.items() if rating}
    cases = [f" WHEN {literal(rating)} THEN {literal(tag)}" for rating, tag in tags.items()]
    return f"CASE {table.word('rating')}{''.join(cases)} END" if cases else EMPTY


def _year(row: Row, page: Caption, _: int) -> str:
    known = year((row.facts or {}).get("year")) if page.year else None
    return f"year {known}" if known else ""


def _year_sql(table: MetadataTable, page: Caption) -> str:
    return f"'year ' || ({table.year('year')})" if page.year else EMPTY


def _tags(row: Row, page: Caption, reading: int) -> str:
    if "tags" not in page.words:
        return ""
    tags = keep_important(clean_tags(row.tags, page.clean), page.important)
    if varies(page):
        tags = _varied(tags, page, row.id, reading)
    return ", ".join(tag for tag in tags if tag)


def _tags_sql(table: MetadataTable, page: Caption) -> str:
    """Return a row's tags as one text; those that matter come first, so that few are left."""
    if "tags" not in page.words:
        return EMPTY
    tags = clean_each_tag_sql("tags", page.clean)
    if page.important is not None:
        wanted = listed(spelling for tag in page.important for spelling in _spellings(tag))
        one = f"lambda t: list_contains([{wanted}], t)"
        tags = f"list_filter({tags}, {one})" if wanted else "[]::VARCHAR[]"
    return joined_tags_sql(tags, page.clean)


def keep_important(tags: Sequence[str], important: tuple[str, ...] | None) -> list[str]:
    """Return the tags that matter, in their own order, with spaces for underscores."""
    said = [spoken(tag) for tag in tags]
    if important is None:
        return said
    wanted = {spoken(tag) for tag in important}
    return [tag for tag in said if tag in wanted]


def _spellings(tag: str) -> list[str]:
    """Return every spelling that is said as `tag`, with an underscore or a space at each gap."""
    first, *others = spoken(tag).split(" ")
    spellings = [first] if spoken(tag) else []
    for each in others:
        spellings = [f"{before}{gap}{each}" for before in spellings for gap in "_ "]
    return spellings


def _sentence(row: Row, page: Caption, reading: int) -> str:
    """Return the row's own caption; where words vary and there are no tags, its parts are tags."""
    if "caption" not in page.words:
        return ""
    text = row.captions[reading % len(row.captions)] if row.captions else row.text
    text = clean_text(text, page.clean)
    if varies(page) and page.words == "caption":
        parts = [part.strip() for part in text.split(",")]
        return ", ".join(part for part in _varied(parts, page, row.id, reading) if part)
    return text


def _sentence_sql(table: MetadataTable, page: Caption) -> str:
    return clean_text_sql("text", page.clean) if "caption" in page.words else EMPTY


def _varied(tags: list[str], page: Caption, name: str, reading: int) -> list[str]:
    """Return the tags without those that drop out, in another order behind the first ones."""
    rng = np.random.default_rng(number_of("words", name, reading))
    fixed, free = tags[: page.keep_first], tags[page.keep_first :]
    dropped = rng.random(len(free)) < page.tag_dropout
    kept = [tag for tag, drops in zip(free, dropped, strict=True) if not drops]
    if page.shuffle:
        kept = [kept[place] for place in rng.permutation(len(kept))]
    return [*fixed, *kept]


PIECES: tuple[Piece, ...] = (
    Piece("prefix", lambda row, page, _: page.prefix, lambda table, page: literal(page.prefix)),
    _scale("score_tags", "score"),
    _scale("aesthetic_tags", "aesthetic"),
    Piece("rating_tags", _rating, _rating_sql),
    Piece("year", _year, _year_sql),
    Piece("tags", _tags, _tags_sql),
    Piece("caption", _sentence, _sentence_sql),
)
"""In the order in which they stand."""
