"""One list of rules and one of caption pieces, which both engines walk."""

from __future__ import annotations

from itertools import groupby
from typing import get_args

from harness.data.curation.captions import PIECES
from harness.data.curation.cleaning import CLEANING
from harness.data.curation.recaption import MERGES
from harness.data.curation.rules import NAMES, RULES, CurationSettings, asked
from harness.pages.data import Caption, Cleaning, Curate, Recaption, Span, Subset, TagRules
from harness.pages.validation import HeldShare


def test_rules_are_asked_in_the_order_in_which_they_stand_on_the_page() -> None:
    fields = [name for name, _ in groupby(name.partition(".")[0] for name in NAMES)]
    of_data = ["without", "held-out", "train", "validation", "weight"]
    assert [name for name in fields if name not in of_data] == [
        name for name in Curate.model_fields if name != "limit"
    ]
    assert len(set(NAMES)) == len(NAMES)


def test_a_page_without_rules_asks_for_none() -> None:
    assert asked(CurationSettings()) == []


def test_a_page_with_every_rule_asks_for_all() -> None:
    page = Curate(
        min_side=1,
        max_side=2,
        min_pixels=3,
        aspect=(1, 2),
        ratings=("general",),
        score=Span(at_least=1),
        aesthetic=Span(at_least=1),
        year=Span(at_least=1),
        tags=TagRules(all_of=("a",), any_of=("b",), none_of=("c",)),
        subset=Subset(share=0.5),
    )
    held = HeldShare(share=0.1, side="trained")
    both = [
        CurationSettings(part, page, without=("a",), validation=held)
        for part in ("train", "held-out")
    ]
    names = [[rule.name for rule, _ in asked(page)] for page in both]
    assert names[0] == [rule.name for rule in RULES if rule.name != "train"]
    assert names[1] == [rule.name for rule in RULES if rule.name != "held-out"]


def test_every_piece_of_a_caption_is_a_word_of_the_page() -> None:
    words = {"tags", "caption"}
    assert {piece.name for piece in PIECES} - words <= set(Caption.model_fields)
    assert len({piece.name for piece in PIECES}) == len(PIECES) == 7


def test_every_word_for_cleaning_and_merging_has_its_rule() -> None:
    assert [rule.name for rule in CLEANING] == list(get_args(Cleaning))
    assert set(MERGES) == set(get_args(Recaption.model_fields["merge"].annotation))
