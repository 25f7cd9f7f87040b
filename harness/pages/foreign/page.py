"""Write a recipe page by hand: fields in their order, and a comment for each that means more."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Sequence
from typing import Any

from harness.escaping import one_line
from harness.pages.foreign.figures import Fate
from harness.pages.messages import models_at
from harness.pages.recipe import Recipe

WIDTH = 100
_PLAIN = re.compile(r"[A-Za-z_<(./][\w ./+()<>-]*")
_WORDS = ("true", "false", "null", "yes", "no", "on", "off", "y", "n", "~")


def page_text(page: dict[str, Any], fates: Sequence[Fate], head: Sequence[str]) -> str:
    """Return a page as YAML, with the comments that its figures need."""
    comments: dict[str, list[str]] = {}
    for fate in fates:
        if fate.field is not None and fate.note and fate.kind != "kept":
            comments.setdefault(fate.field, []).append(_sentence(fate))
    lines = _comment(head, 0)
    lines += _mapping(page, (), comments, 0)
    for texts in comments.values():
        lines += _comment(texts, 0)
    left = [fate for fate in fates if fate.kind == "no-counterpart" and not fate.is_off]
    if left:
        lines += _comment(["", "Without a counterpart here:"], 0)
        lines += _comment(_by_reason(left), 0)
    return "\n".join(lines) + "\n"


def _by_reason(fates: Sequence[Fate]) -> list[str]:
    """Return one line a reason, with every figure that has it."""
    figures: dict[str, list[str]] = {}
    for fate in fates:
        figures.setdefault(fate.note, []).append(f"{one_line(fate.figure)} {short(fate.given)}")
    return [f"- {', '.join(names)}: {one_line(note)}" for note, names in figures.items()]


def _sentence(fate: Fate) -> str:
    given = f" {short(fate.given)}" if fate.given is not None else ""
    return f"{one_line(fate.figure)}{given}: {one_line(fate.note)}"


def short(value: Any) -> str:
    """Return a figure on one line, as its config has it, cut to what an eye takes in."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = one_line(text)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _comment(texts: Sequence[str], indent: int) -> list[str]:
    pad = " " * indent
    lines = []
    for text in texts:
        wrapped = textwrap.wrap(text, WIDTH - indent - 2, break_on_hyphens=False) or [""]
        lines += [f"{pad}# {line}".rstrip() for line in wrapped]
    return lines


def _mapping(
    data: dict[str, Any], path: tuple[str | int, ...], comments: dict[str, list[str]], indent: int
) -> list[str]:
    lines: list[str] = []
    pad = " " * indent
    for key in _ordered(data, path):
        value, place = data[key], (*path, key)
        dotted = ".".join("[]" if isinstance(part, int) else str(part) for part in place)
        dotted = dotted.replace(".[]", "[]")
        lines += _comment(comments.pop(dotted, []), indent)
        if isinstance(value, dict):
            lines += _nested(key, value, place, comments, indent)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            lines.append(f"{pad}{key}:")
            for at, each in enumerate(value):
                inner = _mapping(each, (*place, at), comments, indent + 4)
                first = next(n for n, line in enumerate(inner) if not line.lstrip().startswith("#"))
                lines += [f"{pad}  {line.lstrip()}" for line in inner[:first]]
                lines.append(f"{pad}  - {inner[first].lstrip()}")
                lines += inner[first + 1 :]
        else:
            lines.append(f"{pad}{key}: {scalar(value)}")
    return lines


def _nested(
    key: str,
    value: dict[str, Any],
    place: tuple[str | int, ...],
    comments: dict[str, list[str]],
    indent: int,
) -> list[str]:
    """Return a mapping on one line where it is short and no field of it needs a comment."""
    pad = " " * indent
    dotted = ".".join(str(part) for part in place if isinstance(part, str))
    own = any(name.replace("[]", "").startswith(f"{dotted}.") for name in comments)
    flow = scalar({name: value[name] for name in _ordered(value, place)})
    short_enough = len(pad) + len(key) + len(flow) + 2 <= WIDTH
    if not own and short_enough and key not in ("train", "data", "caption"):
        return [f"{pad}{key}: {flow}"]
    return [f"{pad}{key}:", *_mapping(value, place, comments, indent + 2)]


def _ordered(data: dict[str, Any], path: tuple[str | int, ...]) -> list[str]:
    """Return the keys in the order of the page's own fields."""
    order: list[str] = []
    for model in models_at(Recipe, {}, path):
        order += [name for name in model.model_fields if name not in order]
    known = {name: number for number, name in enumerate(order)}
    if "use" in data:
        known["use"] = -1
    return sorted(data, key=lambda key: known.get(key, len(known)))


def scalar(value: Any) -> str:
    """Return a value as YAML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)}: {scalar(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(scalar(each) for each in value) + "]"
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, float):
        return _real(value)
    if isinstance(value, str):
        return _text(value)
    return str(value)


def _real(value: float) -> str:
    text = repr(value)
    if "e" in text and "." not in text:
        text = text.replace("e", ".0e")
    return text


def _text(value: str) -> str:
    plain = _PLAIN.fullmatch(value) and value == value.strip()
    if plain and value.lower() not in _WORDS and not re.fullmatch(r"[0-9.eE+-]+", value):
        return value
    return _quoted(value)


def _quoted(value: str) -> str:
    """Return a text in double quotes; what does not print is written as YAML spells it."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(each if each.isprintable() else f"\\U{ord(each):08x}" for each in text)


def _key(key: str) -> str:
    return key if re.fullmatch(r"\w+", key) else _quoted(key)
