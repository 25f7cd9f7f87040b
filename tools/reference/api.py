"""python.md: every name of `import harness`, with its signature, its text and its example."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import harness
from harness.api import options
from tools.reference.markdown import head, table

INTRODUCTION = """\
Importing `harness` loads nothing else: each name is imported when it is first used. Functions have
the names of the commands, and return values that show themselves in a notebook.

<!-- run: elsewhere tests/api/test_examples.py -->
"""


def reference() -> str:
    """Return the page of all that `harness.__all__` names."""
    names = [name for name in harness.__all__ if not name.startswith("__")]
    functions = [name for name in names if inspect.isfunction(getattr(harness, name))]
    types = [name for name in names if name not in functions]
    parts = [head("Python", "`harness.__all__`", INTRODUCTION), _options(), "## Functions\n"]
    parts += [_function(name) for name in functions]
    parts += ["## What they take and return\n", *(_type(name) for name in types)]
    return "\n".join(parts)


def _function(name: str) -> str:
    function = getattr(harness, name)
    return f"### {name}\n\n{_signature(name, function)}\n{_text(function)}\n"


def _type(name: str) -> str:
    kind = getattr(harness, name)
    fields = getattr(kind, "model_fields", None)
    text = f"### {name}\n\n{_text(kind)}\n"
    if fields is not None:
        return text + "\nIts fields stand in [pages](pages.md).\n"
    members = [
        f"- `{member}`: {_first_line(value)}"
        for member, value in vars(kind).items()
        if not member.startswith("_") and _first_line(value)
    ]
    return text + ("\n" + "\n".join(members) + "\n" if members else "")


def _first_line(value: Any) -> str:
    wanted = isinstance(value, property | classmethod | staticmethod) or inspect.isfunction(value)
    return (inspect.getdoc(value) or "").partition("\n")[0] if wanted else ""


def _signature(name: str, function: Any) -> str:
    """Return a signature, one parameter a line where it is long."""
    given = inspect.signature(function)
    shared = [name for name in given.parameters if name in options.DEFAULTS]
    own = [each for name, each in given.parameters.items() if name not in shared]
    kinds = [each.kind for each in own]
    parts = [_parameter(each) for each in own]
    if inspect.Parameter.KEYWORD_ONLY in kinds:
        parts.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    parts += ["**options"] if shared else []
    line = f"{name}({', '.join(parts)}) -> {given.return_annotation}"
    if len(line) > 88:
        line = f"{name}(\n" + "".join(f"    {each},\n" for each in parts)
        line += f") -> {given.return_annotation}"
    return f"```py\n{line}\n```\n"


def _parameter(given: inspect.Parameter) -> str:
    """Return a parameter as its source has it; a default that only marks absence is `...`."""
    text = f"{given.name}: {given.annotation}"
    if given.default is inspect.Parameter.empty:
        return text
    default = repr(given.default)
    return f"{text} = {'...' if default.startswith('<') else default}"


def _options() -> str:
    """Return the section of the options that functions share, as their type documents them."""
    text = inspect.getdoc(options.Options) or ""
    rows = list(_documented(options.Options))
    return f"## Options\n\n{text}\n\n" + table(("option", "type", "what it is"), rows)


def _documented(kind: type) -> Iterator[tuple[str, str, str]]:
    """Yield the fields of a type: name, annotation, and the text below each."""
    tree = ast.parse(Path(inspect.getfile(kind)).read_text(encoding="utf-8"))
    found = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == kind.__name__)
    for field, text in pairwise(found.body):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
            assert isinstance(text.value, ast.Constant)
            name = ast.unparse(field.target)
            annotation = ast.unparse(field.annotation).replace(" | ", " or ")
            yield f"`{name}`", f"`{annotation}`", str(text.value.value)


def _text(what: Any) -> str:
    """Return a docstring, its examples as blocks."""
    lines: list[str] = []
    inside = False
    for line in (inspect.getdoc(what) or "").splitlines():
        begins = line.lstrip().startswith(">>>")
        if begins and not inside:
            lines += ["", "```python"] if lines and lines[-1] else ["```python"]
            inside = True
        elif inside and not line.strip():
            lines.append("```")
            inside = False
        lines.append(line)
    return "\n".join([*lines, *(["```"] if inside else []), ""])
