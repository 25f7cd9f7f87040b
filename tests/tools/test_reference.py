"""The reference of pages is written from the JSON Schemas, and never by hand."""

from __future__ import annotations

import re

from harness import plugins
from harness.pipeline.results.tables import read_card
from harness.records import column_of
from tools.reference import CARD, FILE, HEARD, reference


def test_the_committed_reference_is_the_one_that_is_generated() -> None:
    assert FILE.read_text(encoding="utf-8") == reference(), "run `python -m tools.reference`"


def test_every_plugin_has_a_section() -> None:
    headings = [line for line in reference().splitlines() if line.startswith("### ")]
    words = [word for group in plugins.GROUPS for word in plugins.specs(group)]
    assert len(words) > 55
    assert [word for word in words if f"### {word}" not in headings] == []


def test_every_metric_says_what_it_is_blind_to_as_the_card_that_ships_does() -> None:
    text, card = reference().partition("## Plugins: metrics\n")[2], read_card(CARD)
    answers = {
        (column_of(metric), damage): answer.response
        for (metric, damage), answer in card.answers.items()
    }
    told_by = re.compile(r"\*On the sanity card of pocket-v1, \d+ pictures, `(.+?)` (.+)\.\*")
    asked = 0
    for word in plugins.specs("metrics"):
        section = text.partition(f"\n### {word}\n")[2].partition("\n### ")[0]
        told = told_by.findall(section)
        assert bool(told) != ("No card that ships has asked it" in section), word
        for column, words in told:
            found = {
                damage: kind
                for kind, says in HEARD.items()
                for part in words.split("; ")
                if part.startswith(says)
                for damage in part.removeprefix(says).strip().split(", ")
            }
            assert found == {name: answers[column, name] for name in card.damages}
            asked += 1
    assert asked == len(card.metrics)


def test_a_link_leads_to_a_heading() -> None:
    text = reference()
    targets = {part.partition(")")[0] for part in text.split("](#")[1:]}
    headings = {
        line.strip("# ").lower().replace(" ", "-").replace(":", "").replace(",", "")
        for line in text.splitlines()
        if line.startswith("#")
    }
    assert len(targets) > 20
    assert targets <= headings
