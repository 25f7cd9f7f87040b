"""What became of a recipe over time: every gate and accepted baseline, and where values stepped.

The record is one line an event in `reports/history/<benchmark>/<recipe>.jsonl`, only ever added to,
small enough to be reviewed and committed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, ValidationError

from harness.errors import PageError, Problem, UsageError
from harness.files import below, lines_of
from harness.interfaces import Page
from harness.metrics.statistics.change import surest_change
from harness.metrics.statistics.intervals import ALPHA, Z
from harness.records import FINITE, Result, column_of

Known = Literal["accepted", "kept", "pass", "fail", "under-powered"]


class Event(Page):
    """One moment of a recipe."""

    model_config = FINITE
    at: str
    """When, in UTC."""
    outcome: Known
    signature: str
    commit: str | None = None
    """What the repository stood at, marked -dirty where there was more."""
    values: dict[str, tuple[float, float, float]] = Field(default_factory=dict)
    """By metric: value, low and high."""
    note: str = ""
    """Why a baseline was accepted, or kept."""


@dataclass(frozen=True)
class Change:
    """Where a metric moved and stayed: from the event at `at` on."""

    metric: str
    at: str
    before: float
    after: float
    p: float
    """Over all places and metrics that were looked at."""


def event_of(result: Result, outcome: Known, at: str, commit: str | None, note: str = "") -> Event:
    """Return the event that a result is."""
    values = {
        score.metric: (score.value, score.low, score.high)
        for score in result.scores
        if score.value is not None and score.low is not None and score.high is not None
    }
    return Event(
        at=at, outcome=outcome, signature=result.signature, commit=commit, values=values, note=note
    )


def place_of(reports: Path, benchmark: str, recipe: str) -> Path:
    return below(reports / "history", benchmark, f"{recipe}.jsonl")


def add(file: Path, event: Event) -> None:
    """Add a line to a history."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as stream:
        stream.write(event.model_dump_json() + "\n")


def read(file: Path) -> list[Event]:
    """Return a history, oldest first."""
    if not file.is_file():
        raise UsageError(f"there is no history {file}", hint="`harness gate` writes one")
    events = []
    for number, line in enumerate(lines_of(file.read_text(encoding="utf-8")), 1):
        try:
            events.append(Event.model_validate_json(line))
        except ValidationError as error:
            what = f"is no event: {error.errors()[0]['msg']}"
            raise PageError([Problem(str(file), number, "", what, "drop the line")]) from None
    if not events:
        raise UsageError(f"there is no event in {file}", hint="`harness gate` writes one")
    return events


def like_the_last(events: Sequence[Event]) -> list[Event]:
    """Return the events that were judged as the last one was."""
    return [event for event in events if event.signature == events[-1].signature]


def lost(events: Sequence[Event]) -> list[str]:
    """Return the metrics that an earlier event like the last one has, and the last has not."""
    names = dict.fromkeys(name for event in like_the_last(events) for name in event.values)
    return [name for name in names if name not in events[-1].values]


def changes(events: Sequence[Event], noise: Mapping[str, float] | None = None) -> list[Change]:
    """Return the surest step of every metric, among events of the last one's signature.

    `noise` is the standard deviation of one run's value, where it was measured. Without it, half
    an interval stands for it, which holds the choice of prompts too: steps are then seen late.
    """
    like = like_the_last(events)
    metrics = [name for name in events[-1].values if all(name in each.values for each in like)]
    looked = len(metrics) * max(1, len(like) - 3)
    steps = []
    for metric in metrics:
        values = np.array([event.values[metric] for event in like])
        errors = np.maximum((values[:, 2] - values[:, 1]) / (2 * Z), 1e-12)
        known = (noise or {}).get(column_of(metric))
        if known is not None:
            errors = np.full(len(values), max(known, 1e-12))
        place, p = surest_change(values[:, 0], errors)
        if place is not None and p * looked < ALPHA:
            before, after = values[:place, 0].mean(), values[place:, 0].mean()
            steps.append(Change(metric, like[place].at, float(before), float(after), p * looked))
    return steps


def document(events: Sequence[Event], steps: Sequence[Change]) -> dict[str, object]:
    return {
        "events": [json.loads(event.model_dump_json()) for event in events],
        "steps": [vars(step) for step in steps],
        "lost": lost(events),
    }
