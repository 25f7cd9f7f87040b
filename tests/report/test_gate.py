"""What is written of a gate: that all of it is said, and that nothing hostile gets through."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from contenders import contender, normal, with_images, with_score
from PIL import Image

from harness.decisions.check import Allowed, Check
from harness.decisions.gate import Gate, gate
from harness.pages.policy import Limits, Policy
from harness.report.checks import headline, line, markdown, p_value, sentence, title
from harness.report.gate import (
    ROOM,
    bar,
    gate_document,
    gate_text,
    github_annotations,
    junit,
    page,
    print_gate,
    summary,
)
from harness.report.pairs import FindPicture, PicturedPair, WorstPair, gated, pictured, worst_pairs
from harness.report.pictures import readable_thumbnail, thumbnail
from harness.report.terminal import Terminal

BASE = normal(0)
HOSTILE = (
    "<script>alert(1)</script>|`rm`\n## x\r\n::error::[a](javascript:b) 100%, *b* \u202e🦊\x00\x1b"
)
MEANS = {"clip-score": BASE + 30, "aesthetic": BASE, "tag-recall": BASE}
LIMITS = (
    Limits(metric="clip-score", margin=0.2, least=20),
    Limits(metric="aesthetic", margin=0.2),
    Limits(metric="tag-recall", margin=0.3, window=0.5),
)
POLICY = Policy(name="trainer", summary="s", metrics=LIMITS)


def mixed() -> Gate:
    """Return a gate with failures, passes and what lacks evidence."""
    moved = {
        "clip-score": BASE + 29 + 0.3 * normal(1),
        "aesthetic": BASE + 2 * normal(2),
        "tag-recall": BASE + 0.05 * normal(3),
    }
    lost = with_images(contender(moved, "ninja-new"), failed=1, generated=63, scored=63)
    return gate(lost, contender(MEANS, "ninja"), POLICY)


def hostile() -> Gate:
    """Return a gate in which every text is hostile."""
    found = mixed()
    checks = [
        replace(each, metric=HOSTILE, reason=HOSTILE if each.verdict == "fail" else each.reason)
        for each in found.checks
    ]
    named = replace(found.comparison, a=HOSTILE, b=HOSTILE, signature=HOSTILE)
    return replace(
        found, comparison=named, checks=tuple(checks), advisory=(HOSTILE,), left_out=(HOSTILE,)
    )


def looks(*files: Path | None) -> list[FindPicture]:
    """Return what finds the same picture for any prompt and seed, a side each."""
    return [lambda *_, file=file: readable_thumbnail(file) for file in files]


def picture(folder: Path, seed: int = 0, size: int = 64) -> Path:
    """Return a picture of noise, which no format makes small."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)
    file = folder / f"{seed}.png"
    Image.fromarray(pixels).save(file)
    return file


def pairs(count: int, text: str, uri: str | None) -> list[PicturedPair]:
    return [
        PicturedPair(WorstPair(f"p{at}", at, "clip-score", 0.5, 0.25), text, uri, uri)
        for at in range(count)
    ]


def test_the_headline_says_how_many_checks_decide() -> None:
    found = mixed()
    assert headline(found) == "ninja-new fails 2 of 7 checks of policy trainer (advisory)"
    assert headline(replace(found, checks=found.checks[1:2], advisory=())) == (
        "ninja-new passes 1 of 1 checks of policy trainer"
    )
    assert headline(replace(found, checks=found.checks[2:3])) == (
        "ninja-new needs more evidence in 1 of 1 checks of policy trainer (advisory)"
    )


def test_a_sentence_says_the_verdict_its_numbers_and_what_it_would_take() -> None:
    harm, bound, quality, tags, window, images, flags = mixed().checks
    assert re.fullmatch(
        r"clip-score is more than 0\.2 worse \(−1\.\d+ \[−1\.\d+, −0\.\d+\]\)", sentence(harm)
    )
    assert sentence(bound).startswith("clip-score is at least 20 (28.")
    assert sentence(quality).startswith("aesthetic may be more than 0.2 worse (")
    assert re.search(
        r"; it takes [\d,]{3,} prompts to decide, and there are 32$", sentence(quality)
    )
    assert sentence(tags).startswith("tag-recall is no more than 0.3 worse (")
    assert sentence(window).startswith("tag-recall is within ± 0.5 of the baseline (")
    assert sentence(images) == ("images: 1 of 64 images are missing, failed or black; 0 may be")
    assert sentence(flags) == "flags: there are none"


def test_what_no_number_of_prompts_tells_asks_for_trainings() -> None:
    unsure = replace(mixed().checks[2], needed=None, claim="recipe")
    assert sentence(unsure).endswith("; it takes more trainings on either side to decide")
    assert sentence(replace(unsure, claim="file")).endswith(
        "; it takes more than a million prompts to decide"
    )
    near = replace(unsure, needed=20)
    assert sentence(near).endswith("; too near to what is allowed for 32 prompts to decide")


def test_titles_ask_the_same_whatever_the_answer() -> None:
    assert [title(each) for each in mixed().checks] == [
        "clip-score is no more than 0.2 worse",
        "clip-score is at least 20",
        "aesthetic is no more than 0.2 worse",
        "tag-recall is no more than 0.3 worse",
        "tag-recall is within ± 0.5 of the baseline",
        "images",
        "flags",
    ]


def test_a_check_without_a_test_has_a_dash_for_its_p() -> None:
    harm, *_, images, _ = mixed().checks
    assert (p_value(harm), p_value(images)) == ("<0.001", "–")


def test_a_metric_without_a_value_has_a_title_too() -> None:
    blank = with_score(contender(MEANS), "clip-score", value=None, reason="no network")
    missing, bound, *_ = gate(blank, contender(MEANS), POLICY).checks
    assert title(missing) == title(bound) == "clip-score has a value"
    assert sentence(missing) == "clip-score: has no value (candidate: no network)"
    assert sentence(bound) == "clip-score: has no value (no network)"


@pytest.mark.parametrize("found", [mixed(), hostile()])
def test_junit_is_xml_whose_counts_are_those_of_its_cases(found: Gate) -> None:
    root = ElementTree.fromstring(junit(found))
    (suite,) = root
    cases = suite.findall("testcase")
    assert [child.tag for child in suite][:1] == ["properties"]
    for each in (root, suite):
        assert int(each.attrib["tests"]) == len(cases) == len(found.checks) == 7
        assert int(each.attrib["failures"]) == len(suite.findall("testcase/failure")) == 2
        assert int(each.attrib["skipped"]) == len(suite.findall("testcase/skipped")) == 1
        assert each.attrib["errors"] == "0"
    facts = {each.attrib["name"]: each.attrib["value"] for each in suite.iter("property")}
    assert facts["verdict"] == "fail"
    assert facts["policy"] == "trainer"
    assert all(case.attrib["name"] and case.attrib["classname"] for case in cases)


def test_a_failure_carries_its_sentence() -> None:
    found = mixed()
    failure = ElementTree.fromstring(junit(found)).find(".//failure")
    assert failure is not None
    assert failure.attrib == {"message": sentence(found.checks[0]), "type": "non-inferiority"}


def test_annotations_are_one_command_a_line_failures_first() -> None:
    levels = [each.split(" ")[0] for each in github_annotations(mixed())]
    assert levels == ["::error", "::error", "::warning", "::notice"]
    for each in github_annotations(hostile()):
        assert each.isprintable()
        assert re.fullmatch(r"::(error|warning|notice) title=[^:,]*::.*", each)
        assert not re.search("%(?!25|3A|2C)", each)
    assert "100%25" in github_annotations(hostile())[0]


def test_an_annotations_title_may_hold_colons_and_commas() -> None:
    check = Check("bound", "a:b,c", "fail", allowed=Allowed(1.0), reason="50% gone")
    found = replace(mixed(), checks=(check,), advisory=())
    assert github_annotations(found) == ["::error title=a%3Ab%2Cc is at least 1::a:b,c: 50%25 gone"]


def test_a_summary_says_every_check_gravest_first_and_links_the_page() -> None:
    text = summary(mixed(), page="out dir/gate.html")
    assert text.startswith("## ninja-new fails 2 of 7 checks of policy trainer ")
    rows = [row for row in text.splitlines() if row.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows] == [
        "| verdict",
        "| ---",
        "| fail",
        "| fail",
        "| under-powered",
        *["| pass"] * 4,
    ]
    assert "(<out%20dir/gate.html>)" in text
    assert "What lost most" not in text


def test_thumbnails_lead_to_the_page() -> None:
    text = summary(mixed(), pairs(1, "a ninja", "data:image/webp;base64,AAAA"), page="gate.html")
    assert text.count('seed 0" src="data:image/webp;base64,AAAA">](<gate.html>)') == 2


def cells(row: str) -> int:
    return row.count("|")


def test_a_summary_of_hostile_words_is_nothing_but_words() -> None:
    text = summary(hostile(), pairs(12, HOSTILE, "data:image/webp;base64,AAAA"), page=HOSTILE)
    text = re.sub(r"\(<[^<>\s]*>\)", "", text).replace("[<img", "<img")
    tags = set(re.findall(r"<[^>]*>", text))
    assert all(tag.startswith('<img alt="') for tag in tags)
    assert len(tags) == 24
    for word in ("<script", "`", "[a]", "*b*", "\u202e", "\x00", "\x1b", "::error"):
        assert word not in text
    assert "🦊" in text
    rows = [row for row in text.splitlines() if row.startswith("|")]
    assert len(rows) == 2 + 7 + 2 + 12
    assert {cells(row) for row in rows} == {6}


def test_a_summary_stays_below_its_limit_with_5000_hostile_prompts(tmp_path: Path) -> None:
    many = pairs(5000, HOSTILE * 40, None)
    (with_pictures,) = pictured(
        [many[0].worst], {"p0": HOSTILE}, lambda *_: None, lambda *_: thumbnail(picture(tmp_path))
    )
    uri = with_pictures.after
    text = summary(hostile(), [replace(each, before=uri, after=uri) for each in many])
    assert 0.5 * ROOM < len(text.encode()) <= ROOM < 2**20
    few = summary(mixed(), [replace(each, before=uri, after=uri) for each in many[:60]])
    rows = [row for row in few.splitlines() if re.match(r"\| p\d", row)]
    has_picture = ["<img" in row for row in rows]
    assert len(rows) == 60, "words come before pictures"
    assert has_picture == sorted(has_picture, reverse=True), "the last are dropped first"
    assert 0 < sum(has_picture) < 60
    assert len(few.encode()) <= ROOM


@pytest.mark.parametrize("text", [HOSTILE * 1000, "|" * 100_000, "🦊" * 100_000])
def test_a_summary_of_a_thousand_checks_stays_below_its_limit(text: str) -> None:
    found = hostile()
    checks = tuple(replace(each, metric=text, reason=text) for each in found.checks * 200)
    many = replace(found, checks=checks, left_out=(text,) * 200, advisory=(text,) * 200)
    written = summary(many, pairs(12, text, None), page=text)
    assert len(written.encode()) <= ROOM
    assert "… and 1300 more checks" in written
    assert len(re.findall(r"^\| p\d", written, re.MULTILINE)) == 12


class Reader(HTMLParser):
    """Collects the tags of a page, the words in them, and where it would go for more."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.places: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.places += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    return reader


def test_the_page_shows_every_check_with_its_bar_and_every_pair() -> None:
    uri = "data:image/webp;base64,AAAA"
    found = mixed()
    text = page(found, pairs(3, "a ninja", uri))
    reader = read(text)
    assert reader.tags.count("svg") == 5
    assert reader.tags.count("figure") == 3
    assert reader.places == [uri] * 6
    words = " ".join(reader.words)
    for check in found.checks:
        assert sentence(check) in words
    assert "default-src 'none'" in text
    assert "clip-score 0.50" in words
    assert "no image" in page(found, pairs(1, "a ninja", None))


def test_a_page_of_hostile_words_runs_nothing_and_asks_nobody() -> None:
    text = page(hostile(), pairs(3, HOSTILE, None))
    reader = read(text)
    assert "script" not in reader.tags
    assert all(word not in text for word in ("\u202e", "\x00", "\x1b"))
    assert reader.places == []


def test_a_bar_holds_the_interval_what_is_allowed_and_no_difference() -> None:
    check = Check(
        "non-inferiority", "kid", effect=1.0, low=-1.0, high=3.0, allowed=Allowed(None, 2.0)
    )
    found = bar(check)
    assert found is not None
    assert (found.low, found.zero, found.value, found.right, found.high) == (4, 27, 50, 73, 96)
    assert found.left == 0
    bound = bar(Check("bound", "kid", effect=1.0, low=1.0, high=1.0, allowed=Allowed(1.0)))
    assert bound is not None
    assert (bound.zero, bound.left, bound.right) == (None, 4, 100)
    assert bar(Check("images")) is None


def test_the_document_is_json_and_keeps_every_number() -> None:
    document = gate_document(mixed())
    again = json.loads(json.dumps(document, allow_nan=False))
    assert (again["verdict"], again["exit_code"], again["policy"]) == ("fail", 3, "trainer")
    harm = again["checks"][0]
    assert (harm["metric"], harm["verdict"], harm["margin"]) == ("clip-score", "fail", 0.2)
    assert (harm["least"], harm["most"]) == (-0.2, None)
    assert harm["sentence"].startswith("clip-score is more than 0.2 worse")
    assert {"a", "b", "signature", "verdict", "metrics"} <= again["comparison"].keys()


@pytest.mark.parametrize("found", [mixed(), hostile()])
def test_a_gate_prints_its_checks_and_its_words(found: Gate) -> None:
    stream = io.StringIO()
    print_gate(found, Terminal(file=stream, width=400))
    text = stream.getvalue()
    assert line(headline(found)) in text
    assert "\x1b" not in text
    assert text.count("under-powered") >= 1


def test_the_words_of_a_gate_are_its_headline_what_does_not_pass_and_what_to_know() -> None:
    found = mixed()
    headline_, *rest = gate_text(found).splitlines()
    assert headline_ == headline(found)
    assert rest[:3] == [sentence(found.checks[at]) for at in (0, 5, 2)]
    assert rest[3].startswith("advisory: no null pairs")
    assert rest[4] == "it is about these files, not about every training"


def test_a_line_is_one_line_cut_to_its_length() -> None:
    assert line("a\n b\u2028c\x00d") == "a b c d"
    assert line("x" * 400) == "x" * 299 + "…"
    assert markdown("a|b <i>`_*") == "a&#124;b &#60;i&#62;&#96;&#95;&#42;"


def test_the_worst_pairs_are_those_that_lost_most_in_the_baselines_spread() -> None:
    before = {"clip-score": np.array([30.0, 20.0, 40.0, 30.0]), "aesthetic": BASE[:4]}
    after = {"clip-score": np.array([20.0, 21.0, 40.0, 29.0]), "aesthetic": BASE[:4] - 0.01}
    a, b = contender(after), contender(before, "oil")
    found = worst_pairs(a, b, ("clip-score", "aesthetic"))
    assert found[:2] == (
        WorstPair("p000", 1, "clip-score", 30.0, 20.0),
        WorstPair("p000", 2, "clip-score", 30.0, 20.0),
    )
    assert len(found) == len({(each.prompt_id, each.seed) for each in found}) == 8
    assert {each.metric for each in found if each.prompt_id in ("p001", "p002")} == {"aesthetic"}
    assert len(worst_pairs(a, b, ("clip-score", "aesthetic"), most=3)) == 3
    assert worst_pairs(b, a, ("aesthetic",)) == ()
    assert worst_pairs(a, b, ("kid",)) == ()


def test_a_mean_that_is_better_lower_loses_by_growing() -> None:
    b, a = contender({"kid": BASE}, "oil"), contender({"kid": BASE + 1})
    assert len(worst_pairs(a, b, ("kid",))) == 12
    assert worst_pairs(b, a, ("kid",)) == ()


def test_the_gated_metrics_are_those_that_were_checked() -> None:
    assert gated(mixed()) == ("clip-score", "aesthetic", "tag-recall")


def test_a_picture_that_is_not_there_or_broken_is_none(tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG nothing")
    worst = WorstPair("p000", 1, "clip-score", 1.0, 0.0)
    good = picture(tmp_path)
    (found,) = pictured([worst], {"p000": "a ninja"}, *looks(good, broken))
    assert (found.before or "").startswith("data:image/webp;base64,")
    assert (found.after, found.text) == (None, "a ninja")
    (none,) = pictured([worst], {}, *looks(None, tmp_path / "gone.png"))
    assert (none.before, none.after, none.text) == (None, None, "")
