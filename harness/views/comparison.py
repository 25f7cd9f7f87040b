"""Several results picture by picture, metric by metric, and field by field where pages differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.api.decide import contender
from harness.api.options import Workspace
from harness.decisions.compare import Comparison, compare
from harness.decisions.contender import read
from harness.records import Result
from harness.report.comparison import gap
from harness.report.numbers import number, or_dash, p_value
from harness.views.grids import shots_by_place
from harness.views.pictures import addresses
from harness.views.reports_index import Entry, ReportsIndex


@dataclass(frozen=True)
class Change:
    """One field in which recipes differ, and what each says there."""

    field: str
    values: tuple[str, ...]


def pairs(index: ReportsIndex, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return the images of all at the prompts and seeds that the first two have, in order."""
    shots = [shots_by_place(index, each) for each in entries]
    first, second = shots[:2]
    return [
        {
            "prompt": shot.id,
            "seed": shot.seed,
            "text": shot.text,
            "shots": [
                addresses(index, each, own.get(place))
                for each, own in zip(entries, shots, strict=True)
            ],
            "scores": _scores(index, entries, place),
        }
        for place, shot in first.items()
        if place in second
    ]


def _scores(
    index: ReportsIndex, entries: Sequence[Entry], place: tuple[str, int]
) -> list[list[str]]:
    """Return each metric that the first two have of one image, and what every result has."""
    values = [index.samples(each).of(*place) for each in entries]
    return [
        [metric, *(f"{each[metric]:.4g}" if metric in each else "–" for each in values)]
        for metric in values[0]
        if metric in values[1]
    ]


def comparison(a: Entry, b: Entry, workspace: Workspace | None = None) -> Comparison:
    """Return what A is beside B, on the prompts and seeds that both have.

    With a workspace, metrics that need it are judged by exchanging images, which takes a while.
    """
    if workspace is None:
        return compare(read(a.file.path), read(b.file.path))
    one, other = (contender(each.file.path, workspace) for each in (a, b))
    return compare(one, other)


def findings(compared: Comparison) -> list[dict[str, Any]]:
    """Return a comparison as the lines of a table."""
    return [
        {
            "metric": each.metric,
            "better": "↑" if each.higher_is_better else "↓",
            "A": number(each.a, (each.high or 0) - (each.low or 0)),
            "B": number(each.b, (each.high or 0) - (each.low or 0)),
            "A − B": "–" if each.delta is None else gap(each),
            "p": p_value(each.p_adjusted),
            "detects ±": or_dash(each.mde, ".3g"),
            "decides": each.declared,
            "verdict": each.verdict if each.delta is not None else f"unavailable ({each.reason})",
        }
        for each in compared.metrics
    ]


def changes(*results: Result) -> list[Change]:
    """Return every field of the resolved recipes and of the protocols in which some differ."""
    said = [dict(_flat(_described(each))) for each in results]
    rows = [
        Change(field, tuple(each.get(field, "–") for each in said))
        for field in dict.fromkeys(name for each in said for name in each)
    ]
    return [each for each in rows if len(set(each.values)) > 1]


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
