"""What is taken out of captions and tags, each under its own word on the page.

Patterns are written so that Python and RE2, which the columnar engine uses, read them alike:
classes are spelled out, for the two disagree on what a space or a word character is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.pages.data import Cleaning, spoken

SPACES = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006"
    "\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
"""What Python strips."""
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
Pattern = tuple[str, str]
"""What is looked for, and what stands in its place."""
PATTERNS: dict[Cleaning, tuple[Pattern, ...]] = {
    "urls": ((f"(https?://|www[.])[^{SPACES}]+", ""),),
    "signatures": (
        ("[(]?(by|art by|drawn by|signed by|source:) @[A-Za-z0-9_.]+[)]?", ""),
        ("@[A-Za-z0-9_.]+", ""),
        ("(pixiv|twitter|patreon)( id)?[: #]+[0-9]+", ""),
    ),
    "control": (
        (
            "[\\x00-\\x08\\x0e-\\x1b\\x7f-\\x84\\x86-\\x9f\u200b-\u200f\u202a-\u202e\u2060\ufeff]",
            "",
        ),
    ),
    "whitespace": ((f"[{SPACES}]+", " "),),
}
ORDER: tuple[Cleaning, ...] = ("urls", "signatures", "control", "whitespace")


def patterns(rules: Sequence[Cleaning]) -> list[Pattern]:
    """Return what is replaced in a text, in the order in which it is."""
    return [each for rule in ORDER if rule in rules for each in PATTERNS[rule]]


def clean_text(text: str, rules: Sequence[Cleaning]) -> str:
    """Return a sentence without what the rules take out."""
    for pattern, instead in patterns(rules):
        text = re.sub(pattern, instead, text)
    return text.strip(" ") if "whitespace" in rules else text


def clean_tags(tags: Sequence[str], rules: Sequence[Cleaning]) -> list[str]:
    """Return a row's tags without what the rules take out, and without those left empty."""
    found = [clean_text(tag, rules) for tag in tags]
    if "signatures" in rules:
        found = [tag for tag in found if spoken(tag) not in SIGNATURES]
    if "duplicates" in rules:
        first: dict[str, str] = {}
        for tag in found:
            first.setdefault(spoken(tag), tag)
        found = list(first.values())
    return [tag for tag in found if tag] if rules else found
