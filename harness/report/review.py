"""What a gate says on a pull request: its summary in words, within the room of a comment.

A comment is read by more than a step summary is: GitHub tells everybody whom it names, and notes
it at every issue whose number stands in it. No word of a prompt or a page may do either.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace

from harness.decisions.gate import Gate
from harness.report.gate import summary
from harness.report.pairs import PicturedPair

NOTHING = "<!-- -->"
"""What a reader does not see, and what parts a sign from the word that it would act on."""
CUT = "… There was no room for more."
_ACTING = re.compile(r"&#(?:64|35);|(?<=www)(?=\.)|(?<=\bGH)(?=-\d)", re.IGNORECASE)


def marker(recipe: str, benchmark: str) -> str:
    """Return the line that nobody sees by which a gate finds its own comment again.

    It holds a digest, so that no name can end it early.
    """
    key = hashlib.sha256(f"{recipe}\0{benchmark}".encode()).hexdigest()[:24]
    return f"<!-- harness gate {key} -->"


def review(
    gate: Gate,
    first: str,
    pairs: tuple[Sequence[PicturedPair], Sequence[PicturedPair]],
    page: str | None,
    room: int,
) -> str:
    """Return the comment of a gate: `first`, its marker, then its summary, the gravest on top.

    `pairs` are those that lost most and those of cases. Pictures are left out: GitHub shows none
    of a data URI.
    """
    worst, cases = ([replace(each, before=None, after=None) for each in of] for of in pairs)
    left = room - len(CUT) - 3
    kept: list[str] = []
    for line in (first, *quieted(summary(gate, worst, page, cases)).splitlines()):
        left -= len(line) + 1
        if left < 0:
            return "\n".join([*kept, "", CUT, ""])
        kept.append(line)
    return "\n".join([*kept, ""])


def quieted(markdown: str) -> str:
    """Return Markdown of ours in which no word names a person, an issue or an address."""
    return _ACTING.sub(lambda found: found[0] + NOTHING, markdown)
