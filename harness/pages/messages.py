"""Say in plain words what pydantic finds wrong with a page."""

from __future__ import annotations

import difflib
import json
import math
import types
import typing
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ValidationError

from harness import plugins
from harness.conflicts import KIND
from harness.pages import other_trainers
from harness.plugins import Named

Place = tuple[str | int, ...]
"""Where in a page: keys and places in lists."""
Complaint = tuple[Place, str, str | None]
"""Where, what is wrong, and what to do."""
Models = list[type[BaseModel]]
Choice = type[BaseModel] | Named
_MAPPING = "must be a mapping of fields"
_WORDS = {
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "missing": "is missing",
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "multiple_of": "must be a multiple of {multiple_of:g}",
    "string_too_short": "must not be shorter than {min_length} characters",
    "string_too_long": "must not be longer than {max_length} characters",
    "string_pattern_mismatch": "must look like {pattern}",
    "too_short": "must not have fewer than {min_length} entries",
    "too_long": "must not have more than {max_length} entries",
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "dict_type": _MAPPING,
    "tuple_type": "must be a list",
    "list_type": "must be a list",
}
_SILENT = ("missing", "too_short", "too_long", "string_too_long")
"""Problems that are not explained by showing what was given."""


def complaints(model: type[BaseModel], data: Any, error: ValidationError) -> list[Complaint]:
    """Return each problem that `model` has with `data`, once."""
    details = error.errors(include_url=False)
    paths = [_real_path(data, detail["loc"]) for detail in details]
    found = [
        complaint
        for path, detail in zip(paths, details, strict=True)
        if not (detail["type"] == "too_short" and _any_below(path, paths))
        for complaint in _taken_apart(model, data, path, detail)
    ]
    return _once(found)


def _once(found: list[Complaint]) -> list[Complaint]:
    """Return the complaints without a missing field that another takes its wrong name for."""
    hints = {hint for _, _, hint in found}
    return [
        (path, what, hint)
        for path, what, hint in found
        if what != _WORDS["missing"] or f"did you mean {dotted(path)}?" not in hints
    ]


def _taken_apart(
    model: type[BaseModel], data: Any, path: Place, detail: Any
) -> Iterator[Complaint]:
    """Yield one complaint for an error of pydantic's, but one for each conflict inside of ours."""
    if detail["type"] != KIND:
        yield path, *_explain(model, data, path, detail)
        return
    for place, message in detail["ctx"]["conflicts"]:
        yield (*path, *place), message, None


def _any_below(path: Place, paths: list[Place]) -> bool:
    """Return whether a part of `path` is wrong too: its list is then too short only for that."""
    return any(len(other) > len(path) and other[: len(path)] == path for other in paths)


def _real_path(data: Any, loc: tuple[str | int, ...]) -> Place:
    """Return `loc` without the names of types that pydantic adds for a value of several types."""
    path: list[str | int] = []
    for part in loc:
        if not isinstance(data, dict | list):
            break
        path.append(part)
        data = _part(data, part)
    return tuple(path)


def _explain(model: type[BaseModel], data: Any, path: Place, detail: Any) -> tuple[str, str | None]:
    kind, given, context = detail["type"], detail.get("input"), detail.get("ctx", {})
    if kind == "extra_forbidden":
        parent = dotted(path[:-1])
        known = {name for each in models_at(model, data, path[:-1]) for name in each.model_fields}
        names = _guess(path[-1], known, f"{parent}." if parent else "")
        elsewhere = other_trainers.hint(str(path[-1])) if "train" in model.model_fields else None
        return "is not a field", elsewhere or names
    if kind == plugins.UNKNOWN:
        word, known = context["word"], set(context["known"])
        return f"names no plugin: {short(word)}", _guess(word, known)
    if kind == plugins.UNNAMED:
        return "needs `use:` to say which one it means", f"known: {', '.join(context['known'])}"
    if kind == plugins.BROKEN:
        return context["text"], context["hint"]
    if kind == "literal_error":
        return f"must be {context['expected']}, not {short(given)}", None
    if kind in _WORDS:
        return _WORDS[kind].format(**context), _value_hint(kind, given)
    return " ".join(str(detail["msg"]).removeprefix("Value error, ").split()), None


def _guess(given: Any, known: set[str], prefix: str = "") -> str:
    close = difflib.get_close_matches(str(given), known, n=1, cutoff=0.5)
    if close:
        return f"did you mean {prefix}{close[0]}?"
    return f"known: {', '.join(prefix + name for name in sorted(known))}"


def _value_hint(kind: str, given: Any) -> str | None:
    if kind in ("float_type", "int_type") and isinstance(given, str):
        try:
            number = math.isfinite(float(given))
        except ValueError:
            number = False
        return f"{short(given)} is text{': drop the quotes' if number else ''}"
    return None if kind in _SILENT else f"it is {short(given)}"


def models_at(model: type[BaseModel], data: Any, path: Place) -> Models:
    """Return the models that may stand at `path` of `data`; the words of plugins decide."""
    choices: list[Choice] = [model]
    for part in path:
        if isinstance(part, str):
            models = _models(choices, data)
            fields = [each.model_fields[part] for each in models if part in each.model_fields]
            choices = [
                each for field in fields for each in _choices(field.annotation, field.metadata)
            ]
        data = _part(data, part)
    return _models(choices, data)


def _models(choices: list[Choice], data: Any) -> Models:
    lists = [each.specs(data) if isinstance(each, Named) else [each] for each in choices]
    return [model for models in lists for model in models]


def _choices(annotation: Any, notes: Sequence[Any] = ()) -> Iterator[Choice]:
    """Yield every model and plugin inside an annotation, through lists, unions and options."""
    named = [note for note in notes if isinstance(note, Named)]
    if named:
        yield from named
    elif typing.get_origin(annotation) is Annotated:
        inner, *inner_notes = typing.get_args(annotation)
        yield from _choices(inner, inner_notes)
    elif isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        if issubclass(annotation, BaseModel):
            yield annotation
    else:
        for inner in typing.get_args(annotation):
            yield from _choices(inner)


def _part(data: Any, part: str | int) -> Any:
    if isinstance(data, dict):
        return data.get(str(part))
    known = isinstance(data, list) and isinstance(part, int) and part < len(data)
    return data[part] if known else None


def dotted(path: Place) -> str:
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            word = part[:60] if part and part.isprintable() else short(part)
            text += f".{word}" if text else word
    return text


def short(given: Any) -> str:
    """Return a value on one line, cut to what an eye takes in."""
    return (repr(given) if isinstance(given, str) else json.dumps(given))[:60]
