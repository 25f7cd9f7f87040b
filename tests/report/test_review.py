"""What a gate says on a pull request: within the room, without pictures, and quiet."""

from __future__ import annotations

from contenders import contender, normal

from harness.decisions.gate import Gate, gate
from harness.pages.policy import Limits, Policy
from harness.report.pairs import PicturedPair, WorstPair
from harness.report.review import CUT, marker, quieted, review

ROOM = 65_536
PAGE = "https://github.example/ink/loras/actions/runs/5"
CAPTION = "@octocat fixes #12, GH-13 <b>bold</b> [x](javascript:y) www.example.com --> | `a`"


def failing() -> Gate:
    base = normal(0)
    policy = Policy(name="p", summary="s", metrics=(Limits(metric="clip-score", margin=0.2),))
    return gate(
        contender({"clip-score": base + 29 + 0.3 * normal(1)}, "ninja"),
        contender({"clip-score": base + 30}, "ninja"),
        policy,
    )


def pairs(count: int, text: str) -> list[PicturedPair]:
    uri = "data:image/webp;base64,AAAA"
    return [
        PicturedPair(WorstPair(f"p{at}", at, "clip-score", 0.5, 0.25), text, uri, uri)
        for at in range(count)
    ]


def test_a_review_begins_with_its_marker_and_says_the_verdict() -> None:
    first = marker("ninja", "pocket-v1")
    told = review(failing(), first, (pairs(1, "a cat"), ()), PAGE, ROOM).splitlines()
    assert told[0] == first
    assert told[1].startswith("## ninja fails 1 of")
    assert any(line.startswith("| fail | clip-score") for line in told)
    assert f"[The page with all pictures](<{PAGE}>)" in told
    assert any("a cat" in line for line in told)


def test_a_marker_is_of_one_recipe_under_one_benchmark() -> None:
    assert len({marker(a, b) for a in ("x", "y") for b in ("x", "y", "xy")}) == 6
    assert "-->" not in marker("-->", "-->")[:-3]


def test_no_word_of_a_caption_acts() -> None:
    told = review(failing(), "<!-- m -->", (pairs(3, CAPTION), ()), PAGE, ROOM)
    assert "data:" not in told
    assert told.replace("<!-- m -->", "").replace("<!-- -->", "").count("<") == 1, "the page's"
    for word in ("&#64;octocat", "&#35;12", "GH-13", "www.", "](javascript", "`a`", "@"):
        assert word not in told


def test_a_sign_is_parted_from_the_word_that_it_would_act_on() -> None:
    assert quieted("&#64;a &#35;1 gh-2 GHz high-3 www.a") == (
        "&#64;<!-- -->a &#35;<!-- -->1 gh<!-- -->-2 GHz high-3 www<!-- -->.a"
    )


def test_a_review_that_has_no_room_is_cut_between_lines() -> None:
    whole = review(failing(), "<!-- m -->", (pairs(12, "@" * 300), ()), PAGE, ROOM)
    assert len(whole) <= ROOM
    short = review(failing(), "<!-- m -->", (pairs(12, "@" * 300), ()), PAGE, 4_000)
    assert len(short) <= 4_000
    assert short.endswith(f"\n\n{CUT}\n")
    *kept, _, _ = short.splitlines()
    assert kept == whole.splitlines()[: len(kept)]
    assert len(kept) > 5
