"""What is taken out of captions and tags. Each rule is declared once, under its word on the page.

A rule replaces patterns, which Python and RE2, the language of the columns' engine, read alike:
classes are spelt out, for the two disagree on what a space or a word character is. Or it leaves
out whole tags, by a function in Python and the same in SQL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.data.sql import listed, literal
from harness.data.tags import SPACES
from harness.pages.data import Cleaning, spoken

SIGNATURES = (
    "artist name",
    "artist logo",
    "signature",
    "dated",
    "watermark",
    "sample watermark",
    "twitter username",
    "pixiv username",
    "instagram username",
    "patreon username",
    "patreon logo",
    "username",
    "web address",
    "character signature",
)
"""Tags that speak of what is written on a picture and not of what it shows."""
CONTROL = "[\\x00-\\x08\\x0e-\\x1b\\x7f-\\x84\\x86-\\x9f\u200b-\u200f\u202a-\u202e\u2060\ufeff]"
Pattern = tuple[str, str]
"""What is looked for, and what stands in its place."""


@dataclass(frozen=True)
class CleaningRule:
    """One thing that is taken out of words."""

    name: Cleaning
    patterns: tuple[Pattern, ...] = ()
    """Of a sentence and of each tag."""
    trims: bool = False
    """Whether spaces at both ends go, when all patterns are replaced."""
    tags: Callable[[list[str]], list[str]] | None = None
    """A row's tags, with spaces for underscores → those that stay."""
    tags_sql: Callable[[str], str] | None = None
    """The same of a list in SQL."""


CLEANING = (
    CleaningRule("urls", patterns=((f"(https?://|www[.])[^{SPACES}]+", ""),)),
    CleaningRule(
        "signatures",
        patterns=(
            ("[(]?(by|art by|drawn by|signed by|source:) @[A-Za-z0-9_.]+[)]?", ""),
            ("@[A-Za-z0-9_.]+", ""),
            ("(pixiv|twitter|patreon)( id)?[: #]+[0-9]+", ""),
        ),
        tags=lambda tags: [tag for tag in tags if tag not in SIGNATURES],
        tags_sql=lambda tags: f"list_filter({tags}, lambda t: t NOT IN ({listed(SIGNATURES)}))",
    ),
    CleaningRule("control", patterns=((CONTROL, ""),)),
    CleaningRule("whitespace", patterns=((f"[{SPACES}]+", " "),), trims=True),
    CleaningRule(
        "duplicates",
        tags=lambda tags: list(dict.fromkeys(tags)),
        tags_sql=lambda tags: (
            f"list_filter({tags}, lambda t, place: list_position({tags}, t) = place)"
        ),
    ),
)
"""In the order in which they are done."""


def chosen(names: Sequence[Cleaning]) -> list[CleaningRule]:
    return [rule for rule in CLEANING if rule.name in names]


def clean_text(text: str, names: Sequence[Cleaning]) -> str:
    """Return a sentence, or a tag, without what the rules take out."""
    rules = chosen(names)
    for pattern, instead in (each for rule in rules for each in rule.patterns):
        text = re.sub(pattern, instead, text)
    return text.strip(" ") if any(rule.trims for rule in rules) else text


def clean_text_sql(text: str, names: Sequence[Cleaning]) -> str:
    rules = chosen(names)
    for pattern, instead in (each for rule in rules for each in rule.patterns):
        text = f"regexp_replace({text}, {literal(pattern)}, {literal(instead)}, 'g')"
    return f"trim({text})" if any(rule.trims for rule in rules) else text


def clean_tags(tags: Sequence[str], names: Sequence[Cleaning]) -> list[str]:
    """Return a row's tags with spaces for underscores, without what the rules take out."""
    cleaned = [spoken(clean_text(tag, names)) for tag in tags]
    for rule in chosen(names):
        cleaned = rule.tags(cleaned) if rule.tags else cleaned
    return [tag for tag in cleaned if tag] if names else cleaned


def clean_each_tag_sql(tags: str, names: Sequence[Cleaning]) -> str:
    """Return the first half of `clean_tags` in SQL: the patterns; underscores stay."""
    if not any(rule.patterns for rule in chosen(names)):
        return tags
    cleaned = f"list_transform({tags}, lambda t: {clean_text_sql('t', names)})"
    return f"list_filter({cleaned}, lambda t: t <> '')"


def joined_tags_sql(tags: str, names: Sequence[Cleaning]) -> str:
    """Return the second half in SQL: whole tags left out, the others as one text.

    A long text is cheaper to change than many short ones: where no rule looks at whole tags, the
    underscores are replaced in the text.
    """
    rules = [rule.tags_sql for rule in chosen(names) if rule.tags_sql]
    if not rules:
        return f"replace(array_to_string({tags}, ', '), '_', ' ')"
    tags = f"list_transform({tags}, lambda t: replace(t, '_', ' '))"
    for rule in rules:
        tags = rule(tags)
    return f"array_to_string({tags}, ', ')"
