"""Two results picture by picture, number by number, and page by page where they differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness import verdicts
from harness.api import Place
from harness.browse.grids import shots_by_place
from harness.browse.pictures import Address, small, whole
from harness.browse.shelf import Held, Shelf
from harness.decisions.compare import Comparison, compare, read
from harness.records import Result
from harness.report.comparison import gap, number, sentence


@dataclass(frozen=True)
class Change:
    """One field of two recipes that differs."""

    field: str
    a: str
    b: str


def pairs(
    shelf: Shelf, a: Held, b: Held, picture: Address = small, full: Address = whole
) -> list[dict[str, Any]]:
    """Return the images of both at the prompts and seeds that both have, in A's order."""
    mine, theirs = shots_by_place(shelf, a), shots_by_place(shelf, b)
    one, other = shelf.samples(a), shelf.samples(b)
    found = []
    for place, shot in mine.items():
        if place not in theirs:
            continue
        own, its = one.of(*place), other.of(*place)
        found.append({
            "prompt": shot.id, "seed": shot.seed, "text": shot.text,
            "a": picture(a, shot), "b": picture(b, theirs[place]),
            "fullA": full(a, shot), "fullB": full(b, theirs[place]),
            "scores": [[metric, f"{own[metric]:.4g}", f"{its[metric]:.4g}"]
                       for metric in own if metric in its],
        })  # fmt: skip
    return found


def comparison(a: Held, b: Held, place: Place | None = None) -> Comparison:
    """Return what A is beside B, on the prompts and seeds that both have.

    With a place, metrics that need it are judged by exchanging images, which takes a while.
    """
    if place is None:
        return compare(read(a.file), read(b.file))
    one, other = (verdicts.contender(each.file, place) for each in (a, b))
    return compare(one, other)


def findings(found: Comparison) -> list[dict[str, Any]]:
    """Return a comparison as the lines of a table."""
    return [
        {
            "metric": each.metric, "better": "↑" if each.higher_is_better else "↓",
            "A": number(each.a, (each.high or 0) - (each.low or 0)),
            "B": number(each.b, (each.high or 0) - (each.low or 0)),
            "A − B": "–" if each.delta is None else gap(each),
            "p": each.p_adjusted, "sees ±": each.mde, "decides": each.declared,
            "verdict": each.verdict if each.delta is not None else f"unavailable ({each.reason})",
        }
        for each in found.metrics
    ]  # fmt: skip


def said(found: Comparison) -> str:
    return sentence(found)


def changes(a: Result, b: Result) -> list[Change]:
    """Return every field of the resolved recipes and of the protocols that differs."""
    one, other = (dict(_flat(_described(each))) for each in (a, b))
    return [
        Change(field, one.get(field, "–"), other.get(field, "–"))
        for field in dict.fromkeys([*one, *other])
        if one.get(field) != other.get(field)
    ]


def _described(result: Result) -> dict[str, Any]:
    page = result.provenance.get("page") or {}
    packages = result.provenance.get("packages") or {}
    return {"recipe": page, "protocol": result.protocol, "packages": packages}


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield each leaf of nested values with its dotted name."""
    if isinstance(value, Mapping):
        for part, inner in value.items():
            yield from _flat(inner, f"{name}.{part}" if name else str(part))
    elif isinstance(value, list | tuple) and any(isinstance(each, Mapping) for each in value):
        for number_, inner in enumerate(value):
            yield from _flat(inner, f"{name}[{number_}]")
    else:
        yield name, str(value)
