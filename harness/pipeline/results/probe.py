"""The table of the loss probe → what it says of every checkpoint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from harness.interfaces import Array
from harness.metrics.probe import LEAST, Probed, advantages, auc, gain, member_test
from harness.metrics.statistics.intervals import Ends
from harness.pages.validation import Side
from harness.records import Interval, MemberTest, Probe, ProbedStep, ProbedTag, ProbedTimestep

TAGS = 40
"""Tags that are shown at most: those of the most held-out pictures."""


@dataclass(frozen=True)
class ProbeTable:
    """The rows of a probe's table, by checkpoint and side."""

    rows: Sequence[dict[str, Any]]

    @cached_property
    def steps(self) -> list[int]:
        """Return the steps of the checkpoints, without the base's."""
        return sorted({row["step"] for row in self.rows} - {0})

    @cached_property
    def timesteps(self) -> list[int]:
        return list(self.rows[0]["timesteps"]) if self.rows else []

    def losses(self, step: int, side: Side) -> Array:
        """Return n pictures × T timesteps; what is not finite is infinite."""
        rows = [row["losses"] for row in self.of(step, side)]
        filled = [[np.inf if loss is None else loss for loss in row] for row in rows]
        return np.array(filled, np.float64).reshape(len(rows), len(self.timesteps))

    def of(self, step: int, side: Side) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["step"] == step and row["side"] == side]

    def probed(self, step: int, side: Side) -> Probed:
        """Return the losses of a checkpoint beside the base's, row by row of the same picture."""
        return Probed(self.losses(0, side), self.losses(step, side))

    @cached_property
    def tags(self) -> list[list[str]]:
        """Return the tags of every held-out picture."""
        return [list(row["tags"]) for row in self.of(0, "held-out")]


def summary_of(stored: pa.Table) -> Probe:
    """Return what a probe's table says."""
    table = ProbeTable(stored.to_pylist())
    steps = [_step(table, step, is_last=step == table.steps[-1]) for step in table.steps]
    return Probe(
        trained=len(table.of(0, "trained")),
        held_out=len(table.of(0, "held-out")),
        steps=tuple(steps),
    )


def _step(table: ProbeTable, step: int, is_last: bool) -> ProbedStep:
    trained, held_out = table.probed(step, "trained"), table.probed(step, "held-out")
    return ProbedStep(
        step=step,
        gain=_interval(gain(held_out)),
        trained_gain=_interval(gain(trained)),
        member=_member(trained, held_out),
        timesteps=tuple(
            _timestep(trained.at(at), held_out.at(at), timestep)
            for at, timestep in enumerate(table.timesteps)
        ),
        tags=tuple(_tags(table, held_out)) if is_last else (),
        reason=_reason(trained, held_out),
    )


def _interval(ends: Ends | None) -> Interval | None:
    return None if ends is None else Interval(value=ends[0], low=ends[1], high=ends[2])


def _member(trained: Probed, held_out: Probed) -> MemberTest | None:
    found = member_test(trained, held_out)
    if found is None:
        return None
    return MemberTest(
        value=found.auc,
        low=found.low,
        high=found.high,
        p=found.p,
        significant=found.significant(),
    )


def _timestep(trained: Probed, held_out: Probed, timestep: int) -> ProbedTimestep:
    one, two = advantages(trained), advantages(held_out)
    told = len(one) and len(two) and np.isfinite(one).all() and np.isfinite(two).all()
    return ProbedTimestep(
        timestep=timestep,
        gain=_interval(gain(held_out)),
        trained_gain=_interval(gain(trained)),
        auc=auc(one, two) if told else None,
    )


def _tags(table: ProbeTable, held_out: Probed) -> list[ProbedTag]:
    """Return the gain by tag, the greatest first; of tags that enough pictures have."""
    counts = Counter(tag for tags in table.tags for tag in set(tags))
    common = [(tag, count) for tag, count in counts.most_common(TAGS) if count >= LEAST]
    found = []
    for tag, count in common:
        rows = np.array([at for at, tags in enumerate(table.tags) if tag in tags])
        interval = _interval(gain(held_out.take(rows)))
        if interval is not None:
            found.append(ProbedTag(tag=tag, pictures=count, gain=interval))
    return sorted(found, key=lambda each: (-each.gain.value, each.tag))


def _reason(trained: Probed, held_out: Probed) -> str | None:
    lost = sum(
        int((~np.isfinite(losses)).sum())
        for each in (trained, held_out)
        for losses in (each.base, each.adapter)
    )
    if lost:
        return f"{lost} losses are not finite"
    fewest = min(len(trained), len(held_out))
    return (
        f"{fewest} pictures on one side: the member test needs {LEAST}" * (fewest < LEAST) or None
    )
