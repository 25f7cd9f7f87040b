"""Read a page of Markdown as blocks, each with its marks and its output."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

FENCE = re.compile(r"^(?P<indent> *)(?P<marks>`{3,}|~{3,})(?P<info>.*)$")
MARK = re.compile(r"<!-- run: (.*?) *-->", re.DOTALL)
RUN = ("bash", "sh", "shell", "console", "python")
"""Languages of blocks that are executed."""


@dataclass(frozen=True)
class Mark:
    """One comment of a page: a word, and what follows it."""

    word: str
    rest: str

    @property
    def reason(self) -> str:
        """What `reason="…"` says."""
        given = re.search(r'reason="([^"]+)"', self.rest)
        return given[1] if given else ""


@dataclass
class Block:
    """A fenced block: its lines in the file, and what is inside."""

    page: Path
    line: int
    language: str
    title: str
    text: str
    indent: str = ""
    marks: list[Mark] = field(default_factory=list)
    output: Block | None = None
    is_output: bool = False

    @property
    def place(self) -> str:
        return f"{self.page.name}:{self.line}"

    @property
    def is_run(self) -> bool:
        """Whether it is of the kind that is executed."""
        return self.language in RUN and not self.title

    def marked(self, word: str) -> Mark | None:
        """Return the mark with this word, if the block has it."""
        return next((mark for mark in self.marks if mark.word == word), None)


@dataclass
class Page:
    """A page: the marks that hold for all of it, and its blocks in their order."""

    file: Path
    text: str
    marks: list[Mark]
    blocks: list[Block]

    def marked(self, word: str) -> list[Mark]:
        return [mark for mark in self.marks if mark.word == word]


def read(file: Path) -> Page:
    """Return a page; marks that no block follows at once hold for the page."""
    text = file.read_text(encoding="utf-8")
    blocks = list(_blocks(file, text))
    return Page(file, text, _marks_of_page(text), _with_outputs(blocks))


def _blocks(file: Path, text: str) -> Iterator[Block]:
    lines = text.splitlines()
    at, before = 0, 0
    while at < len(lines):
        opened = FENCE.match(lines[at])
        if opened is None:
            at += 1
            continue
        end = _end(lines, at, opened)
        body = [line.removeprefix(opened["indent"]) for line in lines[at + 1 : end]]
        language, title = _info(opened["info"])
        marks = _marks_before(lines[before:at])
        yield Block(file, at + 1, language, title, "\n".join(body), opened["indent"], marks)
        at = before = end + 1


def _end(lines: list[str], at: int, opened: re.Match[str]) -> int:
    for number in range(at + 1, len(lines)):
        if lines[number].strip().startswith(opened["marks"]) and not lines[number].strip("`~ "):
            return number
    raise SyntaxError(f"line {at + 1}: a block begins and does not end")


def _info(info: str) -> tuple[str, str]:
    """Return the language of a fence and its title."""
    words = info.strip().partition(" ")
    title = re.search(r'title="([^"]+)"', words[2])
    return words[0], title[1] if title else ""


def _marks_before(lines: list[str]) -> list[Mark]:
    """Return the marks of the comments that end right above, with blank lines between at most."""
    text = "\n".join(lines).rstrip()
    marks: list[Mark] = []
    while text.endswith("-->"):
        begin = text.rindex("<!--")
        found = MARK.fullmatch(text[begin:])
        if found is None or found[1].startswith(("setup ", "elsewhere ")):
            break
        marks.insert(0, _mark(found[1]))
        text = text[:begin].rstrip()
    return marks


def _marks_of_page(text: str) -> list[Mark]:
    found = [_mark(each) for each in MARK.findall(text)]
    return [mark for mark in found if mark.word in ("setup", "elsewhere")]


def _mark(text: str) -> Mark:
    word, _, rest = text.strip().partition("\n" if text.startswith("hidden\n") else " ")
    return Mark(word, rest)


def _with_outputs(blocks: list[Block]) -> list[Block]:
    """Let each ```text block be the output of the executed one above it."""
    for above, below in pairwise(blocks):
        if below.language == "text" and above.is_run and above.language != "console":
            above.output, below.is_output = below, True
    return blocks


def console(text: str) -> list[tuple[str, str]]:
    """Return each command of a console block with the output that it shows."""
    shown: list[tuple[list[str], list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            shown.append(([line[2:]], []))
        elif line.startswith("> ") and shown and not shown[-1][1]:
            shown[-1][0].append(line[2:])
        elif shown:
            shown[-1][1].append(line)
        else:
            raise SyntaxError("a console block begins with `$ ` and a command")
    return [("\n".join(command), "\n".join(output)) for command, output in shown]


def commands(text: str) -> list[str]:
    """Return the commands of a shell block; one may go over several lines."""
    found: list[str] = []
    waiting = ""
    for line in text.splitlines():
        waiting = f"{waiting}\n{line}" if waiting else line
        if _is_whole(waiting):
            found.append(waiting)
            waiting = ""
    if waiting:
        raise SyntaxError(f"a command does not end: {waiting}")
    return [each for each in found if words(each)]


def _is_whole(command: str) -> bool:
    """Return whether a shell would begin to work on it."""
    inside = re.search(r"<<-?\s*'?(\w+)'?", command)
    if inside and not re.search(rf"^\s*{inside[1]}$", command, re.MULTILINE):
        return False
    opened = len(re.findall(r"^\s*(?:for|while|if|case)\b", command, re.MULTILINE))
    closed = len(re.findall(r"(?:^|;)\s*(?:done|fi|esac)\b", command, re.MULTILINE))
    if command.endswith("\\") or opened > closed:
        return False
    try:
        shlex.split(command, comments=True)
    except ValueError:
        return False
    return True


def words(command: str) -> list[str]:
    """Return the words of a command without its comment."""
    return shlex.split(command, comments=True)
