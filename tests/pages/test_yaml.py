"""Reading a page as YAML; what pydantic finds in it is judged in test_complaints.py."""

from __future__ import annotations

import json
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import PageError, Problem, UsageError
from harness.pages import recipe
from harness.pages.recipe import Recipe
from harness.pages.yaml import DEPTH, load_page

PAGE = """\
schema_version: 1
name: ink
summary: A test.
base: {model: pocket/sdxl}
data:
  source: {use: pocket, set: ninja, count: 10}
train:
  method: lora
  adapter: {rank: 16}
  resolution: 64
  batch: 8
  optimizer: {use: adamw}
  phases:
    - {steps: 40, rate: 1e-4, schedule: cosine, warmup: 4}
"""
YAML_TEXT = "a page is a YAML text file"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def problems(content: str | bytes, where: Path | None = None) -> list[str]:
    """Return what is said of a recipe page, each problem as it prints, without the file's name."""
    file = (where or Path.cwd()) / "ink.yaml"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(PageError) as caught:
        load_page(Recipe, file)
    shown = str(file) if where else "ink.yaml"
    lines = [str(problem) for problem in caught.value.problems]
    assert str(caught.value).splitlines() == lines
    assert all(line.startswith(f"{shown}:") for line in lines)
    return [line.removeprefix(f"{shown}:") for line in lines]


def changed(old: str, new: str) -> str:
    assert PAGE.count(old) == 1
    return PAGE.replace(old, new)


def test_a_sound_page_is_read() -> None:
    Path("ink.yaml").write_text(PAGE)
    assert recipe.load("ink.yaml").train is not None


def test_a_rate_in_plain_scientific_notation_is_a_number() -> None:
    Path("ink.yaml").write_text(PAGE)
    train = recipe.load("ink.yaml").train
    assert train is not None
    assert train.phases[0].rate == 0.0001


def test_a_page_may_have_windows_line_ends_and_a_byte_order_mark() -> None:
    Path("ink.yaml").write_bytes(b"\xef\xbb\xbf" + PAGE.replace("\n", "\r\n").encode())
    assert recipe.load("ink.yaml").name == "ink"


NOT_A_MAPPING = "1: is not a mapping of fields (start with `schema_version: 1`)"
DEEP = "is nested too deeply (a page is a few levels deep)"
ALIAS = "uses a YAML alias (*name) (write the value out: a page reads top to bottom)"
OPEN = "close the bracket or quote opened here"
REFUSED: dict[str, tuple[str | bytes, list[str]]] = {
    "binary junk": (bytes(range(256)), [f"1: is not UTF-8 text ({YAML_TEXT})"]),
    "UTF-16": (PAGE.encode("utf-16"), [f"1: is not UTF-8 text ({YAML_TEXT})"]),
    "a zero byte": (
        changed("summary: A test.", "summary: A\x00test."),
        [f"3: holds the control character 0x00 ({YAML_TEXT})"],
    ),
    "a bell": ("name: a\x07b\n", [f"1: holds the control character 0x07 ({YAML_TEXT})"]),
    "a lone surrogate": (
        changed("name: ink", 'name: "\\ud800"'),
        ["2: holds half a character (a lone surrogate) (write the character itself)"],
    ),
    "an empty file": ("", [NOT_A_MAPPING]),
    "comments alone": ("# a page\n# to be\n", [NOT_A_MAPPING]),
    "a list": ("- ink\n- paper\n", [NOT_A_MAPPING]),
    "a word": ("ink", [NOT_A_MAPPING]),
    "2 MB": (
        "summary: " + "x" * 2_000_000,
        ["1: is 2.0 MB; a page has at most 1 MB (move long lists into a file of their own)"],
    ),
    "an alias bomb": (
        "a: &a [x, x]\nb: &b [*a]\nc: &c [*b]\nd: [*c]\n",
        [f"{line}: {ALIAS}" for line in (2, 3, 4)],
    ),
    "an alias to itself": ("a: &a [*a]\n", [f"1: {ALIAS}"]),
    "a Python object": (
        changed("name: ink", "name: !!python/object/apply:os.system [ls]"),
        ["2: has the YAML tag '!!python/object/apply:os.system' (plain values only)"],
    ),
    "a tag of its own": (
        changed("{rank: 16}", "!shape {rank: 16}"),
        ["9: has the YAML tag '!shape' (plain values only)"],
    ),
    "a tag on a key": (
        changed("  batch:", "  !!str batch:"),
        ["11: has the YAML tag '!!str' (plain values only)"],
    ),
    "a tag that does not fit": (
        changed("batch: 8", "batch: !!bool eight"),
        ["11: has the YAML tag '!!bool' (plain values only)"],
    ),
    "another YAML version": (
        "%YAML 1.1\n---\n" + PAGE,
        ["2: asks for another YAML version (pages are YAML 1.2: drop the %YAML line)"],
    ),
    "two documents": (
        PAGE + "---\nname: two\n",
        ["15: is not YAML: found another document (check colons, quotes, indent)"],
    ),
    "a tab as indentation": (
        changed("  resolution: 64", "\tresolution: 64"),
        [
            "10: is not YAML: found character '\\t' that cannot start any token"
            " (check colons, quotes, indent)"
        ],
    ),
    "an unclosed brace": (
        changed("{rank: 16}", "{rank: 16"),
        [f"9: is not YAML: expected ',' or '}}', but got ':' in line 10 ({OPEN})"],
    ),
    "an unclosed bracket at the end": (
        PAGE + "origin: [ink\n",
        [f"15: is not YAML: expected ',' or ']', but got '<stream end>' in line 16 ({OPEN})"],
    ),
    "an unclosed quote": (
        changed("summary: A test.", 'summary: "A test.'),
        [f"3: is not YAML: found unexpected end of stream in line 15 ({OPEN})"],
    ),
    "an unknown escape": (
        changed("name: ink", 'name: "\\q"'),
        ["2: is not YAML: found unknown escape character 'q' (check colons, quotes, indent)"],
    ),
    "2,000 brackets": ("a:\n  " + "[" * 2000 + "]" * 2000 + "\n", [f"2: {DEEP}"]),
    "2,000 brackets left open": ("a: " + "[" * 2000, [f"1: {DEEP}"]),
    "300 brackets": ("a: " + "[" * 300 + "]" * 300, [f"1: {DEEP}"]),
    "600 levels of indentation": (
        "".join(" " * level + "a:\n" for level in range(600)),
        [f"{DEPTH + 1}: {DEEP}"],
    ),
    "a list as a key": (
        changed("name: ink", "name: ink\n? [a, b]\n: 3"),
        ["3: has a key that is not a word (a key is one word)"],
    ),
    "a repeated key": (PAGE + "name: ink\n", ["15: name is written twice (keep one of the two)"]),
    "a repeated key inside": (
        changed("rank: 16", "rank: 16, rank: 17"),
        ["9: train.adapter.rank is written twice (keep one of the two)"],
    ),
}
for word in (".nan", ".inf", "-.Inf", "1e999"):
    REFUSED[word] = (
        changed("1e-4", word),
        ["14: train.phases[0].rate is not a finite number (give a number)"],
    )


@pytest.mark.parametrize("name", REFUSED)
def test_a_malformed_page_is_refused_with_its_line(name: str) -> None:
    content, expected = REFUSED[name]
    assert problems(content) == expected


def test_repeated_keys_and_unfit_values_are_reported_together() -> None:
    page = changed("rank: 16", "rank: 0").replace("1e-4", ".nan") + "name: two\n"
    assert problems(page) == [
        "9: train.adapter.rank must be at least 1 (it is 0)",
        "14: train.phases[0].rate is not a finite number (give a number)",
        "15: name is written twice (keep one of the two)",
    ]


def test_a_folder_cannot_be_read_as_a_page(folder: Path) -> None:
    with pytest.raises(PageError, match="cannot be read"):
        load_page(Recipe, folder)


def test_an_anchor_without_an_alias_does_no_harm() -> None:
    Path("ink.yaml").write_text(changed("name: ink", "name: &ink ink"))
    assert recipe.load("ink.yaml").name == "ink"


@pytest.mark.parametrize("name", ["no-such.yaml", "x" * 5000 + ".yaml", "a\0b.yaml"])
def test_a_missing_file_is_a_usage_error(name: str) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        recipe.load(name)


def test_a_misspelt_page_name_is_answered_with_the_right_one() -> None:
    Path("recipes").mkdir()
    Path("recipes/ink-wash.yaml").write_text(PAGE)
    with pytest.raises(UsageError, match=r"did you mean ink-wash\?"):
        recipe.load("ink-wahs")


def test_a_page_here_hides_one_of_the_package() -> None:
    Path("recipes").mkdir()
    Path("recipes/pocket-ninja.yaml").write_text(PAGE)
    assert recipe.load("pocket-ninja").name == "ink"


# Whatever a page holds, the user sees nothing but one-line problems.

place = st.sampled_from(["1e-4", "adamw", "cosine", "{rank: 16}", "pocket/sdxl", "ink", "ninja"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shelf")


def assert_read_or_refused_line_by_line(content: bytes, shelf: Path) -> None:
    file = shelf / "ink.yaml"
    file.write_bytes(content)
    found: tuple[Problem, ...] = ()
    try:
        load_page(Recipe, file)
    except PageError as error:
        found = error.problems
        assert found, "a refusal names no problem"
    for problem in found:
        assert len(str(problem).splitlines()) == 1
        assert 1 <= problem.line <= len(content.splitlines()) + 1


@given(content=st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_refused_line_by_line(content: bytes, shelf: Path) -> None:
    assert_read_or_refused_line_by_line(content, shelf)


@given(text=st.text(alphabet=string.printable + "é\x85\u2028", max_size=60), old=place)
@settings(max_examples=200, deadline=None)
def test_any_text_in_a_field_is_read_or_refused_line_by_line(
    text: str, old: str, shelf: Path
) -> None:
    assert_read_or_refused_line_by_line(changed(old, text).encode(), shelf)


@given(value=values, old=place)
@settings(max_examples=200, deadline=None)
def test_any_value_in_a_field_is_read_or_refused_line_by_line(
    value: object, old: str, shelf: Path
) -> None:
    assert_read_or_refused_line_by_line(changed(old, json.dumps(value)).encode(), shelf)


def test_a_text_that_was_read_before_is_not_parsed_again_and_its_faults_are_found_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = folder / "first.yaml", folder / "second.yaml"
    for file in (first, second):
        file.write_text(PAGE + "  seed: 4\n")
    read = load_page(Recipe, first)
    with monkeypatch.context() as patch:
        patch.delattr("harness.pages.yaml._parsed")
        assert load_page(Recipe, second) == read
    first.write_text(PAGE + "  seed: 5\n")
    assert load_page(Recipe, first).train != read.train
    for file in (first, second):
        file.write_text(PAGE + "  seed: 4\n  seed: 4\n")
        with pytest.raises(PageError, match=f"{file.name}:.*is written twice"):
            load_page(Recipe, file)
