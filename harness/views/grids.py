"""Pictures side by side at the same prompt and seed, in a grid of two axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from harness.errors import UsageError
from harness.pipeline.results.album import Shot
from harness.views.pictures import full_address, small_address
from harness.views.reports_index import Entry, ReportsIndex

Axis = Literal["prompt", "recipe", "seed"]
"""`recipe` is any result: a recipe, or a point of a sweep by strength or checkpoint."""
AXES: tuple[Axis, ...] = ("prompt", "recipe", "seed")
CELLS = 64
"""How many pictures a page of a grid holds about."""


@dataclass(frozen=True)
class Layout:
    """How a grid is laid out: what goes down, what goes across, and what stays or is stacked."""

    down: Axis = "prompt"
    across: Axis = "recipe"
    stacked: bool = False
    """Whether every value of the third axis is shown, as a grid of grids, or its first alone."""
    overlay: str = ""
    """The metric that is written on every picture."""
    page: int = 1

    @property
    def third(self) -> Axis:
        return next(axis for axis in AXES if axis not in (self.down, self.across))


@dataclass(frozen=True)
class Subjects:
    """What a grid can show: results, prompts and seeds."""

    entries: tuple[Entry, ...]
    prompts: tuple[str, ...]
    seeds: tuple[int, ...]

    def along(self, axis: Axis) -> tuple[Any, ...]:
        return {"prompt": self.prompts, "recipe": self.entries, "seed": self.seeds}[axis]


def subjects(
    index: ReportsIndex, entries: Sequence[Entry], words: str = "", seeds: Sequence[int] = ()
) -> Subjects:
    """Return the prompts that hold `words`, and the seeds, of which any of the results has one."""
    shots = [shot for each in entries for shot in index.shots(each) if shot.side == "sample"]
    wanted = words.lower().split()
    prompts = dict.fromkeys(
        shot.id
        for shot in shots
        if all(word in f"{shot.id} {shot.text}".lower() for word in wanted)
    )
    drawn = sorted({shot.seed for shot in shots})
    return Subjects(tuple(entries), tuple(prompts), tuple(seeds) or tuple(drawn))


def pages(layout: Layout, chosen: Subjects) -> int:
    """Return how many pages a grid has; what there is more of is turned over: rows, or panels."""
    turned, size = _turning(layout, chosen)
    return max(1, -(-len(chosen.along(turned)) // size))


def _turning(layout: Layout, chosen: Subjects) -> tuple[Axis, int]:
    """Return the axis that is turned over, and how many of its values are on a page."""
    counts = {axis: max(1, len(chosen.along(axis))) for axis in AXES}
    if not layout.stacked:
        return layout.down, max(1, CELLS // counts[layout.across])
    turned = max((layout.down, layout.third), key=lambda axis: counts[axis])
    others = counts[layout.down] * counts[layout.third] // counts[turned] * counts[layout.across]
    return turned, max(1, CELLS // others)


def grid(index: ReportsIndex, chosen: Subjects, layout: Layout) -> dict[str, Any]:
    """Return a page of a grid as plain values: panels of rows of cells."""
    if layout.down == layout.across:
        raise UsageError(f"{layout.down} cannot go both down and across", hint="choose two axes")
    down, across, third = _on_page(layout, chosen)
    shots = {each.name: shots_by_place(index, each) for each in chosen.entries}
    texts = {place[0]: shot.text for each in shots.values() for place, shot in each.items()}

    def cell(values: dict[Axis, Any]) -> dict[str, Any] | None:
        entry: Entry = values["recipe"]
        shot = shots[entry.name].get((values["prompt"], values["seed"]))
        return None if shot is None else shown(index, entry, shot, layout.overlay)

    panels = []
    for value in third:
        rows = [
            [
                cell({layout.down: one, layout.across: other, layout.third: value})
                for other in across
            ]
            for one in down
        ]
        panels.append({"title": _label(layout.third, value, texts), "rows": rows})
    return {
        "columns": [_label(layout.across, value, texts) for value in across],
        "rows": [_label(layout.down, value, texts) for value in down],
        "panels": panels,
        "overlay": layout.overlay,
        "page": min(layout.page, pages(layout, chosen)),
    }


def _on_page(
    layout: Layout, chosen: Subjects
) -> tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]:
    """Return what goes down, across and on top of each other on the page that is open."""
    turned, size = _turning(layout, chosen)
    at = (min(layout.page, pages(layout, chosen)) - 1) * size
    parts = {axis: chosen.along(axis) for axis in AXES}
    parts[turned] = parts[turned][at : at + size]
    third = parts[layout.third] if layout.stacked else parts[layout.third][:1]
    return parts[layout.down], parts[layout.across], third


def shots_by_place(index: ReportsIndex, entry: Entry) -> dict[tuple[str, int], Shot]:
    """Return a result's own images by prompt and seed."""
    return {(shot.id, shot.seed): shot for shot in index.shots(entry) if shot.side == "sample"}


def shown(index: ReportsIndex, entry: Entry, shot: Shot, overlay: str = "") -> dict[str, Any]:
    """Return one image as a page shows it, with all that is known of it."""
    scores = index.samples(entry).of(shot.id, shot.seed)
    return {
        "src": small_address(entry, shot),
        "full": full_address(index, entry, shot),
        "alt": f"{entry.recipe}, seed {shot.seed}: {shot.text}",
        "recipe": entry.recipe,
        "prompt": shot.id,
        "seed": shot.seed,
        "text": shot.text,
        "reason": shot.reason,
        "overlay": _number(scores.get(overlay)),
        "scores": {metric: _number(value) for metric, value in scores.items()},
    }


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _label(axis: Axis, value: Any, texts: dict[str, str]) -> dict[str, str]:
    if axis == "prompt":
        return {"head": value, "text": texts.get(value, "")}
    if axis == "recipe":
        summary = value.result.summary if value.result else value.problem
        return {"head": value.recipe, "text": summary}
    return {"head": f"seed {value}", "text": ""}


def turned(layout: Layout, page: int) -> Layout:
    return replace(layout, page=page)
