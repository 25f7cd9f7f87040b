"""The log: every entry has its four parts and a figure, the newest first, and its sources exist."""

from __future__ import annotations

import re
from itertools import pairwise

from running import ROOT

TEXT = (ROOT / "docs/LOG.md").read_text(encoding="utf-8")
PARTS = ("Asked", "Tried", "Came out", "Became")
ENTRIES = dict(
    (each.split("\n", 1) for each in re.split(r"^### ", TEXT, flags=re.M)[1:]),
)


def test_every_entry_asks_tries_finds_and_decides_with_a_figure() -> None:
    assert len(ENTRIES) >= 20
    for title, entry in ENTRIES.items():
        assert tuple(re.findall(r"^- \*\*(.+?):\*\*", entry, flags=re.M)) == PARTS, title
        found = entry.split("**Came out:**")[1].split("**Became:**")[0]
        assert re.search(r"\d", found), title
        assert "*From* " in found, title


def test_the_days_fall() -> None:
    days = re.findall(r"^## (\d{4}-\d\d-\d\d)$", TEXT, flags=re.M)
    assert len(days) >= 4
    assert all(later > earlier for later, earlier in pairwise(days))


def test_every_file_that_it_draws_from_is_there() -> None:
    named = {
        file
        for entry in ENTRIES.values()
        for source in re.findall(r"\*From\* (.+)$", entry, flags=re.M)
        for file in re.findall(r"`([\w./-]+/[\w.-]+\.\w+)`", source)
    }
    assert len(named) > 10
    assert {file for file in named if not (ROOT / file).is_file()} == set()
