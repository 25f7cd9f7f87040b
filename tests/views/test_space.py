"""The card of a Space: what the hub reads of it, and whose words stay."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from harness.decisions.leaderboard import Board
from harness.errors import UsageError
from harness.views.space import card, write_card

HOSTILE = "x`\n---\nsdk: docker\n<script>"


def board(name: str = "pocket-v1") -> Board:
    return Board(name, "6aa971a49edafa19", ("kid",), "kid", ())


def header_of(text: str) -> dict[str, object]:
    _, header, _ = text.split("---\n", 2)
    found: dict[str, object] = YAML(typ="safe").load(header)
    return found


def test_the_hub_reads_a_static_site_whose_page_is_the_index(tmp_path: Path) -> None:
    text = write_card(tmp_path, [board(), board("anime-v1")]).read_text()
    header = header_of(text)
    assert (header["sdk"], header["app_file"]) == ("static", "index.html")
    assert "- `pocket-v1` (6aa971a49edafa19): 0 results, ranked by kid\n" in text
    assert "- `anime-v1` " in text


def test_no_name_of_a_board_reaches_the_header_or_is_markup() -> None:
    text = card([board(HOSTILE)])
    assert header_of(text) == header_of(card([]))
    assert "<" not in text
    assert text.count("---") == 3, "two of the header, one in a name that cannot leave its line"


def test_a_card_that_a_person_wrote_stays(tmp_path: Path) -> None:
    own = "---\ntitle: mine\nsdk: static\n---\nmy words\n"
    (tmp_path / "README.md").write_text(own)
    write_card(tmp_path, [board()])
    assert (tmp_path / "README.md").read_text() == own


@pytest.mark.parametrize("text", ["", "sdk: static\n", "---\nsdk: docker\n---\nsdk: static\n"])
def test_a_card_that_hides_the_site_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(text)
    with pytest.raises(UsageError, match="no card of a static Space"):
        write_card(tmp_path, [board()])
