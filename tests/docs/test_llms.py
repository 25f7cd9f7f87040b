"""llms.txt: every page of the site is in it, every link leads somewhere, and no line is long."""

from __future__ import annotations

import re
import tomllib

import pytest
from running import ROOT

from tools.llms import of_the_repository, of_the_site, sections, told

PAGES = [
    page
    for _, page in sections(tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"])
]
LINK = re.compile(r"\]\(([^)]+)\)")


def test_the_map_names_every_page_and_each_is_there() -> None:
    written = (ROOT / "llms.txt").read_text(encoding="utf-8")
    named = LINK.findall(written)
    assert len(named) > 15
    assert [each for each in named if not (ROOT / each).is_file()] == []
    missing = [page for page in PAGES if f"docs/{page}" not in named]
    assert missing == [], "run `python -m tools.llms`"


def test_the_map_of_the_site_links_what_the_site_builds() -> None:
    built = [page.removesuffix(".md") + ".html" for page in PAGES]
    assert LINK.findall(of_the_site()) == built


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_told_by_its_title_and_one_sentence(page: str) -> None:
    title, sentence = told(page)
    assert title
    assert not re.search(r"\]\(|\*\*|```|<!--", title + sentence)
    assert len(sentence) < 400


def test_the_map_is_short_enough_to_be_read_whole() -> None:
    assert len(of_the_repository().split()) < 2500
