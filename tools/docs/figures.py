"""Figures in a page: each stands behind the name of the measurement that it comes from."""

from __future__ import annotations

import json
import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
MARKED = re.compile(r"<!-- figure: (?P<source>.+?) -->(?P<shown>[-−]?\d[\d,]*(?:\.\d+)?)")


def measured(text: str) -> str:
    """Return a page's text with every marked figure as it was measured."""
    return MARKED.sub(
        lambda found: found[0].removesuffix(found["shown"]) + said(found["source"]), text
    )


def count(text: str) -> int:
    """Return how many figures of a page are marked."""
    return len(MARKED.findall(text))


def said(source: str) -> str:
    """Return the figure that a marker names, as it is written."""
    words, _, form = source.partition(" as ")
    place, *keys = shlex.split(words)
    value = _of_file(place, keys) if place.endswith(".json") else _of_script(place, keys)
    return _written(value, form.strip())


def _of_script(script: str, keys: list[str]) -> float:
    """Return a figure that `performance/ledger.py` keeps: its median, or the field named."""
    name, *field = keys
    page = _document(f"performance/figures/{script}.json")
    found = [figure for figure in page["figures"] if figure["name"] == name]
    if len(found) != 1:
        raise LookupError(f"performance/figures/{script}.json has no figure {name!r}")
    return float(found[0][field[0] if field else "value"])


def _of_file(file: str, keys: list[str]) -> float:
    value: Any = _document(file)
    for key in keys:
        value = value[int(key)] if isinstance(value, list) else value[key]
    return float(value)


@cache
def _document(file: str) -> Any:
    return json.loads((ROOT / file).read_text(encoding="utf-8"))


def _written(value: float, form: str) -> str:
    """Return a value with the form of its marker, else with three digits."""
    if form.endswith("%"):
        return format(value, form).removesuffix("%")
    if form:
        return format(value, form)
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
