"""Help: sections, whole first lines, flags that act, examples; quick, and true about flags."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Known, commands
from running import ROOT, Command

from harness.cli.program import COMMON_FLAGS, GROUPS, accepting_common_flags, first_line
from harness.fingerprint import VERSION

COMMANDS = commands()
EACH = pytest.mark.parametrize("known", COMMANDS, ids=lambda known: known.words)


def test_help_has_a_section_for_each_group_with_every_command(command: Command) -> None:
    shown = command("--help", env={"COLUMNS": "80"}).out
    sections = re.findall(r"^(\w+):$", shown, re.MULTILINE)
    assert sections == ["Options", *(group.capitalize() for group in GROUPS)]
    listed = re.findall(r"^  ([a-z][a-z-]*)  +[A-Z]", shown, re.MULTILINE)
    assert sorted(listed) == sorted({known.words.split()[0] for known in COMMANDS})
    assert len(listed) > 25


@pytest.mark.parametrize("words", [(), ("store",)])
def test_no_first_line_is_cut_at_80_columns(words: tuple[str, ...], command: Command) -> None:
    shown = command(*words, "--help", env={"COLUMNS": "80"}).out
    assert "..." not in shown.partition("Make:")[2]
    assert all(len(line) <= 80 for line in shown.splitlines())
    below = [known for known in COMMANDS if known.words.split()[:-1] == list(words)]
    assert len(below) > 1
    for known in below:
        name = known.words.split()[-1]
        line = re.search(rf"^  {name} +(.+)$", shown, re.MULTILINE)
        assert line is not None
        assert line[1] == first_line(known.made.help)


def test_the_program_says_its_version(command: Command) -> None:
    assert command("--version").out == f"harness {VERSION}\n"


def test_a_command_is_in_the_file_of_its_group() -> None:
    places = {known.words: (known.group, known.function.__module__) for known in COMMANDS}
    assert all(module == f"harness.cli.{group}" for group, module in places.values()), places


@EACH
def test_every_flag_that_help_shows_is_read_by_the_command(known: Known) -> None:
    tree = ast.parse(textwrap.dedent(inspect.getsource(known.function)))
    (function,) = tree.body
    assert isinstance(function, ast.FunctionDef)
    names = [node for part in function.body for node in ast.walk(part)]
    read = {node.id for node in names if isinstance(node, ast.Name)}
    visible = {each.name for each in known.made.params if not getattr(each, "hidden", False)}
    assert visible
    assert visible <= read


@EACH
def test_every_command_accepts_the_common_flags(known: Known) -> None:
    flags = {flag for each in known.made.params for flag in each.opts}
    assert {"--store", "--reports", "--device", "--json"} <= flags


def test_common_flags_that_a_command_does_not_use_change_nothing(command: Command) -> None:
    plain = command("list", "suites")
    ran = command("list", "suites", "--store", "a", "--reports", "b", "--device", "cpu")
    assert (ran.code, ran.out) == (0, plain.out)
    shown = command("list", "--help").out
    assert "--json" in shown
    assert not {"--store", "--reports", "--device"} & set(shown.split())


def test_a_command_gets_the_common_flags_that_it_declares() -> None:
    def declares(store: str, as_json: bool = False) -> tuple[str, bool]:
        return store, as_json

    ready = accepting_common_flags(declares)
    assert set(inspect.signature(ready).parameters) == set(COMMON_FLAGS)
    assert ready(store="here", as_json=True, reports="there", device="cpu") == ("here", True)


@EACH
def test_a_command_that_answers_has_json(known: Known) -> None:
    silent = {"serve", "completion"}
    assert (known.words in silent) != ("as_json" in inspect.signature(known.function).parameters)


@EACH
def test_help_explains_every_argument_and_flag_in_a_sentence(known: Known) -> None:
    for each in known.made.params:
        if getattr(each, "hidden", False):
            continue
        assert each.help, f"{known.words} {each.name}"
        assert each.help.endswith("."), each.help
    assert known.made.help.strip().endswith(".")


@EACH
def test_help_ends_with_one_example_of_the_command(known: Known, command: Command) -> None:
    *_, title, example = command(*known.words.split(), "--help").out.rstrip().splitlines()
    assert title.strip() == "Example:"
    assert example.strip() == known.example
    assert known.example.startswith(f"harness {known.words}")
    words = shlex.split(known.example)[1 + len(known.words.split()) :]
    known.made.make_context(known.words, words)


def test_what_is_set_in_the_environment_is_a_default(command: Command, tmp_path: Path) -> None:
    words = ("plan", "tiny", "--json")
    assert command(*words, env={"HARNESS_BENCHMARK": "tiny-v1"}).json["benchmark"] == "tiny-v1"
    ran = command("leaderboard", env={"HARNESS_REPORTS": str(tmp_path / "elsewhere")})
    assert f"no results in {tmp_path / 'elsewhere'}" in ran.err
    ran = command("run", "tiny", env={"HARNESS_EXECUTOR": "slurm"})
    assert "no executor 'slurm'" in ran.err
    ran = command("run", "tiny", env={"HARNESS_PROCESSES": "0", "HARNESS_STORE": str(tmp_path)})
    assert "--processes 0" in ran.err
    shown = command("run", "--help").out
    for name in ("STORE", "REPORTS", "DEVICE", "BENCHMARK", "EXECUTOR", "PROCESSES"):
        assert f"HARNESS_{name}" in shown
        assert f"HARNESS_{name}" in command("--help").out


FOREIGN = (
    "--server.",
    "--browser.",
    "--create-dirs",
    "--exclude",
    "--abbrev",
    "--always",
    "--dirty",
)
"""Flags of other programs that we start or name."""


def test_every_flag_that_a_message_names_exists() -> None:
    known = {"--help", "--version"}.union(*(flags_of(each) for each in COMMANDS))
    named = {}
    for file in (ROOT / "harness").rglob("*.py"):
        if "executors" in file.parts or "stages" in file.parts:
            continue  # they hold the command lines of accelerate and of ray
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]*\b[.]?", node.value):
                    named[flag] = file.name
    assert len(named) > 25
    assert {
        flag: file
        for flag, file in named.items()
        if flag.rstrip(".") not in known and not flag.startswith(FOREIGN)
    } == {}


def command_lines(file: Path) -> Iterator[str]:
    """Yield what follows `harness` in code within a line, and in the blocks of a page."""
    text = file.read_text(encoding="utf-8")
    yield from re.findall(r"`harness ([a-z][^`\n]*)`", text)
    if file.suffix == ".md":
        blocks = re.findall(r"^```(?:bash|console).*?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        for line in re.findall(r"^(?:\$ )?harness ([a-z].*)$", "\n".join(blocks), re.MULTILINE):
            yield re.split(r"\s#|[|;&>]", line)[0]


def flags_of(known: Known) -> set[str]:
    return {"--help", "-h"}.union(*(param.opts for param in known.made.params))


def test_every_command_line_in_a_message_or_in_the_documentation_exists() -> None:
    flags = {known.words: flags_of(known) for known in COMMANDS}
    named = 0
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    for file in [*(ROOT / "harness").rglob("*.py"), *pages]:
        for line in command_lines(file):
            words = line.split()
            name = next((name for name in (" ".join(words[:2]), words[0]) if name in flags), None)
            assert name or words[0] == "store", f"{file.name}: harness {line}"
            if name:
                assert set(re.findall(r"(?<!\S)--?[a-z][a-z-]*", line)) <= flags[name], line
            named += 1
    assert named > 20
