"""The figures of a config, and what became of each."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["kept", "changed", "assumed", "no-counterpart"]
"""kept: the same here. changed: kept with another meaning or value. assumed: not in the config, and
that trainer's default. no-counterpart: nothing here says it."""
_NO = ("", "0", "no", "none", "null", "false", "off", "never")
UNKNOWN = "harness knows no such figure"
_IDLE = {
    "@text_rate": "text encoders rest where they have no rates",
    "@text_rate1": "text encoder 1 rests",
    "@text_rate2": "text encoder 2 rests",
    "train.ema.decay": "no running mean is kept",
    "@conv_rank": "no adapters are put on convolutions",
}
"""Why a figure of a meaning says nothing, where the figure that it belongs to does not ask."""
OFF = "it is off there, and here is nothing to turn off"


@dataclass(frozen=True)
class Fate:
    """What became of one figure."""

    figure: str
    """As the other trainer calls it."""
    given: Any
    """As the config has it; None where it has none."""
    kind: Kind
    field: str | None = None
    """Our field that says it."""
    value: Any = None
    """What our field says."""
    note: str = ""
    """Why it is not simply kept."""

    @property
    def is_off(self) -> bool:
        """Return whether nothing is lost with this figure."""
        return self.note == OFF


@dataclass(frozen=True)
class Figure:
    """One figure of a config that says something."""

    name: str
    value: Any

    @property
    def number(self) -> float | None:
        return number_of(self.value)

    @property
    def is_on(self) -> bool:
        return not is_off(self.value)


@dataclass
class Source:
    """One folder or set that a config trains on."""

    figure: str
    spec: dict[str, Any]
    repeats: float = 1
    count: int | None = None
    """How many pictures it has, where that is known."""


@dataclass
class Draft:
    """A recipe page in the making."""

    figures: Mapping[str, Any]
    meanings: Mapping[str, str]
    """Our field for each figure, or a word that `translate` knows."""
    remarks: Mapping[str, str]
    """Why a figure has no counterpart."""
    fates: list[Fate] = field(default_factory=list)
    page: dict[str, Any] = field(default_factory=dict)
    sources: list[Source] = field(default_factory=list)
    full: bool = False
    """Whether the base's own weights are trained, and not an adapter."""
    family: str | None = None
    """The kind of base that the figures name, where it is not SDXL."""

    def find(self, meaning: str) -> Figure | None:
        """Return the first figure of a meaning that says something; the table's order decides."""
        return next(self.all(meaning), None)

    def all(self, meaning: str) -> Iterator[Figure]:
        for name, what in self.meanings.items():
            if what == meaning and self.figures.get(name) not in (None, "", [], {}):
                yield Figure(name, self.figures[name])

    def is_on(self, meaning: str) -> bool:
        found = self.find(meaning)
        return found is not None and found.is_on

    def keep(self, figure: Figure, place: str, value: Any) -> None:
        self._put(figure, "kept", place, value, "")

    def change(self, figure: Figure, place: str, value: Any, note: str) -> None:
        self._put(figure, "changed", place, value, note)

    def assume(self, name: str, place: str, value: Any, note: str) -> None:
        """Put what the trainer does where its config says nothing."""
        self._put(Figure(name, None), "assumed", place, value, note)

    def note(self, figure: Figure, place: str, value: Any, note: str = "") -> None:
        """Say what became of a figure whose field stands in a list, without putting it there."""
        kind: Kind = "assumed" if figure.value is None else "changed" if note else "kept"
        fate = Fate(figure.name, figure.value, kind, place, value, note)
        if fate not in self.fates:
            self.fates.append(fate)

    def same(self, figure: Figure, place: str, value: Any, how: str) -> None:
        """Say that a figure is kept, in another form."""
        self.fates.append(Fate(figure.name, figure.value, "kept", place, value, how))

    def leave(self, figure: Figure, note: str) -> None:
        told = OFF if is_off(figure.value) else note
        self.fates.append(Fate(figure.name, figure.value, "no-counterpart", None, None, told))

    def take_back(self, place: str, note: str) -> None:
        """Remove a field again, and say at its figure why."""
        container, last = _container(self.page, place)
        container.pop(last, None)
        for at, fate in enumerate(self.fates):
            if fate.field == place:
                self.fates[at] = Fate(fate.figure, fate.given, "no-counterpart", None, None, note)

    def forget(self, place: str) -> None:
        """Remove a field that no figure gave, and its fate."""
        container, last = _container(self.page, place)
        container.pop(last, None)
        self.fates = [fate for fate in self.fates if fate.field != place]

    def correct(self, place: str, value: Any, note: str) -> None:
        """Replace what a field says, and say at its figure why."""
        container, last = _container(self.page, place)
        container[last] = value
        for at, fate in enumerate(self.fates):
            if fate.field == place:
                kind: Kind = "assumed" if fate.kind == "assumed" else "changed"
                told = f"{fate.note}; {note}" if fate.note else note
                self.fates[at] = Fate(fate.figure, fate.given, kind, place, value, told)

    def rename(self, figure: str, name: str, note: str) -> None:
        """Say at a figure how the page is named, and by what where not by it."""
        given = self.figures[figure]
        self.fates = [fate for fate in self.fates if fate.figure != figure]
        kind: Kind = "changed" if note else "kept"
        self.fates.append(Fate(figure, given, kind, "name", name, note))

    def finish(self) -> None:
        """Say of every figure that nobody asked for why it has no counterpart."""
        told = {fate.figure for fate in self.fates}
        for name, value in self.figures.items():
            if name not in told:
                self.leave(Figure(name, value), self._remark(name, told))

    def _remark(self, name: str, told: Collection[str]) -> str:
        meaning = self.meanings.get(name)
        if meaning in _IDLE:
            return _IDLE[meaning]
        same = (other for other, what in self.meanings.items() if what == meaning)
        decided = next((other for other in same if other in told), None)
        if meaning is not None and decided is not None:
            return f"{decided} says it"
        parts = name.split(".")
        words = (name, parts[-1], *parts[:-1])
        otherwise = UNKNOWN if meaning is None else "harness takes no such value"
        return next((self.remarks[word] for word in words if word in self.remarks), otherwise)

    def get(self, place: str) -> Any:
        """Return what a field of the page says so far."""
        value: Any = self.page
        for part in place.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return value

    def _put(self, figure: Figure, kind: Kind, place: str, value: Any, note: str) -> None:
        if "[]" not in place:  # a phase is filled by length.py
            container, last = _container(self.page, place)
            container[last] = value
        self.fates.append(Fate(figure.name, figure.value, kind, place, value, note))


def _container(page: dict[str, Any], place: str) -> tuple[dict[str, Any], str]:
    *path, last = place.split(".")
    for part in path:
        page = page.setdefault(part, {})
    return page, last


def number_of(value: Any) -> float | None:
    """Return a number, or a text that is one; None for anything else. Whole ones are int."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number == int(number) and abs(number) < 2**53 else number


def is_off(value: Any) -> bool:
    """Return whether a value says that something is not wanted."""
    if isinstance(value, str):
        return value.strip().lower() in _NO or number_of(value) == 0
    return value in (None, False, 0) or value in ([], {}, ())


def flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return every leaf of nested mappings under its dotted name."""
    leaves: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, Mapping) and value:
            leaves |= flat(value, f"{prefix}{key}.")
        else:
            leaves[f"{prefix}{key}"] = value
    return leaves
