"""Patterns of layer names are matched as PEFT matches them, and never run."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.diffusion.name_patterns import NamePatterns

NAMES = st.lists(st.sampled_from(["up", "down", "attn1", "to_q", "0", "1"]), min_size=1, max_size=5)
PATTERNS = st.lists(
    st.sampled_from(["up", "attn1", "to_q", "0", r"\.", r"\.", ".*", "|", "1"]), min_size=1
)


def as_peft(patterns: dict[str, int], *names: str) -> int | None:
    """Return what PEFT 0.20 finds: the first expression that matches a name or an end of it."""
    for pattern, value in patterns.items():
        if any(re.match(rf"(.*\.)?({pattern})$", name) for name in names):
            return value
    return None


@settings(max_examples=200, deadline=None)
@given(NAMES.map(".".join), st.lists(PATTERNS.map("".join), min_size=1, max_size=3))
def test_what_files_are_written_with_is_matched_as_peft_does(name: str, written: list[str]) -> None:
    patterns = {each: place for place, each in enumerate(written) if all(each.split("|"))}
    assert NamePatterns(patterns).find(name) == as_peft(patterns, name)


def test_a_caret_holds_a_pattern_to_the_whole_name() -> None:
    found = NamePatterns({"^to_q": 1, r"^up\..*": 2, "to_q$": 3})
    assert [found.find(each) for each in ("to_q", "up.to_q", "down.to_q", "a.up.to_k")] == [
        1,
        2,
        3,
        None,
    ]


@pytest.mark.parametrize(
    "pattern", ["(a+)+", "(", "[ab]", "a*", "a{1,9}", r"\d", "a?", "", "a|", "(?=a)", "x" + "\n"]
)
def test_any_other_expression_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="is more than a name"):
        NamePatterns({pattern: 1})


def test_no_pattern_takes_long() -> None:
    """As an expression, the first of these would take longer than the world will stand."""
    start, name = time.process_time(), "a" * 200
    with pytest.raises(ValueError, match="is more than"):
        NamePatterns({"(a*)*b": 1})
    assert NamePatterns({".*a" * 40 + "b": 1}).find(name) is None
    with pytest.raises(ValueError, match="more than 16 patterns"):
        NamePatterns({f"{number}.*": 1 for number in range(17)})
    assert time.process_time() - start < 5
