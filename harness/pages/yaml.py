"""Read a YAML page into a frozen model, and name every problem by file, line and field.

YAML is read safely and plainly: version 1.2, no tags, no aliases, no repeated keys, no deep
nesting, at most 1 MB and 20,000 parts. folders.py says where pages are; recipe.py and benchmark.py
say what they mean.
"""

from __future__ import annotations

import json
import math
import typing
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from ruamel.yaml import YAML, events
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from harness.errors import PageError, Problem
from harness.interfaces import Page
from harness.pages.messages import Place, complaints, dotted, short

LIMIT = 1_000_000
"""Bytes a page may have."""
DEPTH = 32
"""Levels a page may have."""
PARTS = 20_000
"""Words, lists and mappings a page may have; reading a thousand takes a tenth of a second."""
P = TypeVar("P", bound=Page)
_composed: dict[str, Node] = {}
"""Texts without a fault that were read lately: parsing is most of what a page costs."""
KEPT, LONGEST = 64, 100_000
"""How many texts are remembered, and how long each may be."""


class Located:
    """Plain data with the line that every part of it came from, and what was wrong with it."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.data: Any = {}
        self.lines: dict[Place, int] = {}
        self.problems: list[Problem] = []

    def line(self, path: Place) -> int:
        """Return the line of `path`, or of the nearest part of it that exists."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def note(self, line: int, message: str, hint: str | None, path: Place = ()) -> None:
        self.problems.append(Problem(self.file, line, dotted(path), message, hint))


def load_page(model: type[P], file: Path) -> P:
    """Return the page in `file`, or raise a PageError that lists all its problems."""
    located = read_page(file)
    try:
        page = model.model_validate_json(json.dumps(located.data))
    except ValidationError as error:
        noted = {problem.field for problem in located.problems}
        for place, message, hint in complaints(model, located.data, error):
            if dotted(place) not in noted:
                located.note(located.line(place), message, hint, place)
    if located.problems:
        raise PageError(sorted(set(located.problems), key=lambda each: (each.line, each.field)))
    return page


def read_page(file: Path) -> Located:
    """Return the plain data of a YAML file with its lines; repeated keys are noted, not raised."""
    located = Located(_shown(file))
    yaml = YAML(typ="safe", pure=True)
    node = _compose(yaml, _text(file, located), located)
    if not isinstance(node, MappingNode):
        raise _refusal(located, 1, "is not a mapping of fields", "start with `schema_version: 1`")
    located.data = _plain(yaml, node, (), located)
    return located


def _text(file: Path, located: Located) -> str:
    try:
        size = file.stat().st_size
        if size > LIMIT:
            raise _refusal(
                located,
                1,
                f"is {size / 1e6:.1f} MB; a page has at most 1 MB",
                "move long lists into a file of their own",
            )
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise _refusal(located, 1, "is not UTF-8 text", "a page is a YAML text file") from None
    except OSError:
        raise _refusal(located, 1, "cannot be read", "a page is a YAML text file") from None


def _compose(yaml: YAML, text: str, located: Located) -> Node | None:
    node = _composed.get(text)
    if node is not None:
        return node
    node = _parsed(yaml, text, located)
    if node is not None and len(text) <= LONGEST:
        if len(_composed) >= KEPT:
            _composed.clear()
        _composed[text] = node
    return node


def _parsed(yaml: YAML, text: str, located: Located) -> Node | None:
    try:
        _inspect(yaml, text, located)
        if located.problems:
            raise PageError(located.problems)
        return typing.cast("Node | None", yaml.compose(text))
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        what = f"holds the control character {error.character:#04x}"
        raise _refusal(located, line, what, "a page is a YAML text file") from None
    except MarkedYAMLError as error:
        raise _ill_formed(located, error) from None
    except (YAMLError, ValueError) as error:
        what = str(error).split("\n")[0]
        raise _refusal(located, 1, f"is not YAML: {what}", "a page is a YAML text file") from None


def _ill_formed(located: Located, error: MarkedYAMLError) -> PageError:
    """Return the refusal of text that is not YAML; what stays open is named where it opened."""
    what, hint = (error.problem or "").split("\n")[0], "check colons, quotes, indent"
    what = f"is not YAML: {what.removeprefix('but ')}"
    mark = error.problem_mark or error.context_mark
    opening = (error.context or "").startswith(("while parsing a flow", "while scanning a quoted"))
    if opening and error.context_mark and mark:
        what, hint = f"{what} in line {mark.line + 1}", "close the bracket or quote opened here"
        mark = error.context_mark
    return _refusal(located, mark.line + 1 if mark else 1, what, hint)


def _inspect(yaml: YAML, text: str, located: Located) -> None:
    """Note whatever a page may not use, before anything is built from it."""
    depth = 0
    for count, event in enumerate(yaml.parse(text)):
        line = event.start_mark.line + 1
        if count > PARTS:
            hint = "move long lists into a file of their own"
            located.note(line, f"is beyond the {PARTS:,} parts that a page may have", hint)
            return
        problem = _foul(event)
        if problem:
            located.note(line, *problem)
        depth += isinstance(event, events.CollectionStartEvent)
        depth -= isinstance(event, events.CollectionEndEvent)
        if depth > DEPTH:
            located.note(line, "is nested too deeply", "a page is a few levels deep")
            return


def _foul(event: events.Event) -> tuple[str, str] | None:
    """Return what is wrong with one event of the YAML stream and what to do, if anything."""
    if isinstance(event, events.AliasEvent):
        return "uses a YAML alias (*name)", "write the value out: a page reads top to bottom"
    if isinstance(event, events.DocumentStartEvent) and event.version not in (None, (1, 2)):
        return "asks for another YAML version", "pages are YAML 1.2: drop the %YAML line"
    if (
        isinstance(event, events.ScalarEvent | events.CollectionStartEvent)
        and event.tag is not None
    ):
        tag = str(event.tag).replace("tag:yaml.org,2002:", "!!")
        return f"has the YAML tag {short(tag)}", "plain values only"
    if isinstance(event, events.ScalarEvent) and any(
        "\ud800" <= sign <= "\udfff" for sign in event.value
    ):
        return "holds half a character (a lone surrogate)", "write the character itself"
    return None


def _plain(yaml: YAML, node: Node, path: Place, located: Located) -> Any:
    located.lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, SequenceNode):
        return [
            _plain(yaml, child, (*path, index), located) for index, child in enumerate(node.value)
        ]
    if isinstance(node, ScalarNode):
        return _scalar(yaml, node, path, located)
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line, key = key_node.start_mark.line + 1, key_node.value
        if not isinstance(key, str):
            located.note(line, "has a key that is not a word", "a key is one word", path)
        elif key in result:
            located.note(line, "is written twice", "keep one of the two", (*path, key))
        else:
            located.lines[*path, key] = line
            result[key] = _plain(yaml, value_node, (*path, key), located)
    return result


def _scalar(yaml: YAML, node: ScalarNode, path: Place, located: Located) -> Any:
    try:
        value = yaml.constructor.construct_object(node)
    except (YAMLError, ValueError):
        value = node.value
    if isinstance(value, float) and not math.isfinite(value):
        located.note(node.start_mark.line + 1, "is not a finite number", "give a number", path)
        return None
    return value if isinstance(value, bool | int | float | str | None) else node.value


def _refusal(located: Located, line: int, message: str, hint: str) -> PageError:
    return PageError([Problem(located.file, line, "", message, hint)])


def _shown(file: Path) -> str:
    try:
        return file.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(file)
