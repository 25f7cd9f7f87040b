"""The reference of pages is written from the JSON Schemas, and never by hand."""

from __future__ import annotations

from harness import plugins
from tools.reference import FILE, reference


def test_the_committed_reference_is_the_one_that_is_generated() -> None:
    assert FILE.read_text(encoding="utf-8") == reference(), "run `python -m tools.reference`"


def test_every_plugin_has_a_section() -> None:
    headings = [line for line in reference().splitlines() if line.startswith("### ")]
    words = [word for group in plugins.GROUPS for word in plugins.specs(group)]
    assert len(words) > 55
    assert [word for word in words if f"### {word}" not in headings] == []


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
