"""The size and shape at which pictures are trained: resolution, crops, buckets."""

from __future__ import annotations

import math
import re
from typing import Any

from harness.errors import UsageError
from harness.pages.foreign.figures import Draft, Figure, is_off, number_of
from harness.pages.foreign.habits import Habits

SMALLEST, LARGEST = 32, 4096


def place_pictures(draft: Draft, habits: Habits) -> None:
    """Put resolution, crop, flip and buckets into the page."""
    side = _place_resolution(draft, habits)
    _place_crop(draft, habits)
    if (flip := draft.find("train.flip")) and flip.is_on:
        draft.keep(flip, "train.flip", True)
    _place_buckets(draft, habits, side)


def _place_resolution(draft: Draft, habits: Habits) -> int:
    figures = list(draft.all("train.resolution"))
    for other in figures[1:]:
        draft.leave(other, f"{figures[0].name} stands in its place")
    if not figures:
        default = int(habits.defaults.get("train.resolution", 1024))
        draft.assume("resolution", "train.resolution", default, "its default")
        return default
    figure = figures[0]
    side, note = _side(figure)
    if draft.meanings.get(figure.name) and draft.is_on("@megapixels"):
        note = "megapixels there: the side of such a square"
    if note:
        draft.change(figure, "train.resolution", side, note)
    else:
        draft.keep(figure, "train.resolution", side)
    return side


def _side(figure: Figure) -> tuple[int, str]:
    """Return the side of the square, and what it stands for where it is not that figure."""
    sizes = _numbers(figure.value)
    if not sizes:
        raise UsageError(f"{figure.name} is {figure.value!r}, no size in pixels")
    if len(sizes) == 1 and sizes[0] <= 16:
        return _eights(1000 * math.sqrt(sizes[0]) * 1.024), "megapixels there"
    pair = len(sizes) == 2 and not _is_choice(figure)
    if pair and sizes[0] != sizes[1]:
        return _eights(math.sqrt(sizes[0] * sizes[1])), "the side of a square of that area"
    if not pair and len(set(sizes)) > 1:
        return _eights(max(sizes)), "one size a recipe: the largest of them"
    exact = _eights(sizes[0])
    return exact, "" if exact == sizes[0] else "a multiple of 8"


def _is_choice(figure: Figure) -> bool:
    """Return whether a list names sizes to choose from, as ai-toolkit's does."""
    return figure.name.startswith("datasets[")


def _numbers(value: Any) -> list[float]:
    if isinstance(value, list):
        return [number for each in value if (number := number_of(each)) is not None]
    if isinstance(value, str):
        return [float(each) for each in re.findall(r"\d+(?:\.\d+)?", value)]
    number = number_of(value)
    return [] if number is None else [number]


def _eights(size: float) -> int:
    return min(max(round(size / 8) * 8, SMALLEST), LARGEST)


def _place_crop(draft: Draft, habits: Habits) -> None:
    center, random = draft.find("@center_crop"), draft.find("@random_crop")
    style = draft.find("@crop_style")
    if center is not None and center.is_on:
        draft.keep(center, "train.crop", "center")
    elif random is not None and random.is_on:
        draft.keep(random, "train.crop", "random")
    elif style is not None and str(style.value) in ("center", "centre", "random"):
        draft.keep(style, "train.crop", "random" if style.value == "random" else "center")
    elif habits.defaults.get("train.crop") == "random":
        draft.assume("center_crop", "train.crop", "random", "its default")
    for figure in filter(None, (center, random)):
        if not figure.is_on:
            draft.note(figure, "train.crop", draft.get("train.crop") or "center")


def _place_buckets(draft: Draft, habits: Habits, side: int) -> None:
    switch = draft.find("train.buckets")
    on = bool(habits.defaults.get("train.buckets")) if switch is None else switch.is_on
    if switch is not None and str(switch.value) == "square":
        on = False
    names = {name: draft.find(f"train.buckets.{name}") for name in ("step", "shortest", "longest")}
    if not on:
        if switch is not None:
            draft.note(switch, "train.buckets", None)
        for figure in names.values():
            if figure is not None:
                draft.leave(figure, "only buckets have it")
        return
    if switch is not None:
        draft.note(switch, "train.buckets", True)
    draft.page["train"]["buckets"] = {}
    usual: dict[str, int] = habits.defaults.get("@buckets", {})
    for name, figure in names.items():
        default = usual.get(name, {"step": 64, "shortest": side // 2, "longest": side * 2}[name])
        given = None if figure is None or is_off(figure.value) else figure.number
        _place_bucket(draft, name, figure, int(given or default), side)


def _place_bucket(draft: Draft, name: str, figure: Figure | None, value: int, side: int) -> None:
    place, note = f"train.buckets.{name}", ""
    if name == "step" and (value < 8 or value % 8):
        value, note = max(8, round(value / 8) * 8), "a multiple of 8"
    if name == "shortest" and value > side:
        value, note = side, "no longer than the resolution"
    if name == "longest" and value < side:
        value, note = side, "no shorter than the resolution"
    if figure is None:
        draft.assume(name, place, value, "its default")
    elif note or figure.number != value:
        draft.change(figure, place, value, note or "its default")
    else:
        draft.keep(figure, place, value)
