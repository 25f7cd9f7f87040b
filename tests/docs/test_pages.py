"""Every block of README.md and docs/ runs, shows what came out, and has measured figures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from running import ROOT, House

from tools.docs import figures
from tools.docs.blocks import read
from tools.docs.execution import Outcome, execute
from tools.docs.pages import elsewhere, pages

PAGES = pages()
OUTCOMES: dict[Path, Outcome] = {}
"""What became of each page, for the test that counts."""


@pytest.mark.slow
@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_every_block_of_a_page_does_what_it_shows(file: Path, house: House, tmp_path: Path) -> None:
    page = read(file)
    outcome = elsewhere(page) or execute(page, tmp_path, house)
    OUTCOMES[file] = outcome
    assert not outcome.wrong, "\n\n".join([*outcome.wrong, "new output? `make bless`"])


@pytest.mark.slow
def test_nine_in_ten_blocks_are_executed() -> None:
    if len(OUTCOMES) < len(PAGES):
        pytest.skip("counts after all pages")
    ran = sum(outcome.executed for outcome in OUTCOMES.values())
    skipped = [each for outcome in OUTCOMES.values() for each in outcome.skipped]
    assert ran - sum(outcome.elsewhere for outcome in OUTCOMES.values()) > 80
    assert ran >= 9 * len(skipped), "\n".join(skipped)


def test_the_front_page_is_short_and_every_figure_of_it_is_traced() -> None:
    """Numbers with a unit stand behind a marker."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.split()) <= 900
    assert figures.count(text) >= 5
    prose = figures.MARKED.sub("", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
    assert re.findall(r"\d[\d.,]*\s?(?:%|×|s|ms|min|GB|MB|times)(?!\w)", prose) == []


def test_every_figure_is_the_one_that_was_measured() -> None:
    for file in PAGES:
        text = file.read_text(encoding="utf-8")
        assert figures.measured(text) == text, f"{file.name} has an old figure: `make bless`"
