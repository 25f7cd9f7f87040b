"""The reference is written from the code, and never by hand."""

from __future__ import annotations

import json
import re

import pytest
from commands import commands
from running import ROOT

import harness
from harness import plugins
from harness.pipeline.protocol import PARTS
from harness.pipeline.results.tables import HOLDS, TABLES, read_card
from harness.records import column_of
from tools.reference import FOLDER, PAGES, environment, metrics
from tools.reference.pages import CARD, HEARD, reference


@pytest.mark.parametrize("name", PAGES)
def test_the_committed_reference_is_the_one_that_is_generated(name: str) -> None:
    written = (FOLDER / name).read_text(encoding="utf-8")
    assert written == PAGES[name](), "run `python -m tools.reference`"


def test_every_command_has_a_section_with_all_its_flags() -> None:
    text = PAGES["commands.md"]()
    known = commands()
    assert len(known) > 25
    for each in known:
        section = text.partition(f"\n### {each.words}\n")[2].partition("\n### ")[0]
        shown = {flag for param in each.made.params if not param.hidden for flag in param.opts}
        assert [flag for flag in shown if flag.startswith("-") and flag not in section] == []
        assert each.example in section


def test_every_name_of_the_package_has_a_section() -> None:
    text = PAGES["python.md"]()
    names = [name for name in harness.__all__ if not name.startswith("__")]
    assert len(names) > 40
    assert [name for name in names if f"\n### {name}\n" not in text] == []


def test_every_metric_says_what_makes_its_interval() -> None:
    made = {word: metrics.interval_of(spec) for word, spec in plugins.specs("metrics").items()}
    assert made["kid"].startswith("jackknife")
    assert {made[word] for word in ("broken", "memorization", "artefacts")} == {"Clopper–Pearson"}


def test_every_variable_that_the_code_reads_is_in_the_reference() -> None:
    """Those that one process of ours sets for another are no business of a user."""
    ours = {"HARNESS_TOKEN", "HARNESS_HOST", "HARNESS_ALLOWED_HOSTS", "HARNESS_COMPLETE"}
    text = environment.reference()
    files = [*(ROOT / "harness").rglob("*.py"), *(ROOT / "dashboard").rglob("*.py")]
    read = {
        name
        for file in files
        for name in re.findall(r"\bHARNESS_[A-Z_]+[A-Z]\b", file.read_text(encoding="utf-8"))
    }
    assert len(read) > 10
    assert [name for name in sorted(read - ours) if f"`{name}`" not in text] == []


def test_every_part_of_a_protocol_is_told() -> None:
    shipped = ROOT / "reports" / "pocket-v1" / "pocket-ninja.json"
    parts = json.loads(shipped.read_text(encoding="utf-8"))["protocol"]
    assert len(parts) > 10
    assert set(parts) <= set(PARTS)
    assert set(HOLDS) == set(TABLES)


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
