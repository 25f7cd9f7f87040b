"""Weights in prompts: how brackets are read, and that a tokenizer still sees whole words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.prompt_weights import Piece, parse, plain

WEIGHED = {
    "": [],
    "a, b": [("a, b", 1)],
    "lowres, (bad:1.05), text": [("lowres, ", 1), ("bad", 1.05), (", text", 1)],
    "(x)": [("x", 1.1)],
    "((x))": [("x", 1.1 * 1.1)],
    "[x]": [("x", 1 / 1.1)],
    "[[x]]": [("x", 1 / 1.1 / 1.1)],
    "([x])": [("x", 1)],
    "(a (b:1.5) c:2)": [("a ", 2), ("b", 3), (" c", 2)],
    "(x: .5 )": [("x", 0.5)],
    "(x:-1)": [("x", -1)],
    r"emma \(series\), (y)": [("emma (series), ", 1), ("y", 1.1)],
    r"\[x\] \\": [("[x] \\", 1)],
    r"\o/": [("o/", 1)],
    "(a, b": [("a, b", 1.1)],
    "((a) b": [("a", 1.1 * 1.1), (" b", 1.1)],
    "a) b]": [("a) b]", 1)],
    "a:1.3)": [("a:1.3)", 1)],
    "(x:1.2.3)": [("x:1.2.3", 1.1)],
    "honkai: star rail": [("honkai: star rail", 1)],
    "(honkai:star)": [("honkai:star", 1.1)],
    "BREAKFAST": [("BREAKFAST", 1)],
}


@pytest.mark.parametrize("text", WEIGHED)
def test_brackets_weigh_what_stands_in_them(text: str):
    [stretch] = parse(text)
    assert [piece.text for piece in stretch] == [words for words, _ in WEIGHED[text]]
    assert [piece.weight for piece in stretch] == pytest.approx([w for _, w in WEIGHED[text]])


def test_break_ends_a_stretch_inside_of_brackets_too():
    assert parse("a BREAK b") == [[Piece("a")], [Piece("b")]]
    assert parse("a, (b BREAK c:1.5)") == [
        [Piece("a, "), Piece("b", 1.5)],
        [Piece("c", 1.5)],
    ]


def test_plain_words_have_no_weights():
    assert plain(r"(masterpiece), [x], (bad:1.05), a \(b\) BREAK c") == (
        "masterpiece, x, bad, a (b) c"
    )


@given(st.text(alphabet="ab ,:.1", max_size=40))
def test_a_text_without_brackets_is_one_piece_of_weight_one(text: str):
    assert parse(text) == [[Piece(text)] if text else []]


@given(st.text(alphabet="ab()[]:.1\\ BREAK", max_size=60))
def test_any_text_is_read(text: str):
    for stretch in parse(text):
        assert all(piece.text for piece in stretch)
    plain(text)
