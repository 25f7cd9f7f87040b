"""The loss probe beside a sweep of checkpoints: the held-out gain and the member test as scores.

The gain judges as a metric does, picture by picture where a metric goes prompt by prompt. It never
ranks: no sanity card has asked it, and a loss alone says little of pictures. The member test says
where training pictures begin to be known one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from harness.decisions.sweep import GAIN, MEMBER, Point
from harness.metrics.probe import ALARM, ROUNDS
from harness.metrics.statistics.jackknife import pseudo_values
from harness.pipeline.results.file import ResultFile
from harness.pipeline.results.probe import ProbeTable
from harness.records import Interval, MemberTest, Probe, ProbedStep, Score, Versus


def with_probe_of(points: Sequence[Point], file: ResultFile) -> list[Point]:
    """Return checkpoints with what the probe beside one of their results says of each."""
    probe = file.result.probe
    if probe is None or not file.has_table("probe"):
        return list(points)
    return with_probe(points, probe, ProbeTable(file.table("probe").to_pylist()))


def with_probe(points: Sequence[Point], probe: Probe, table: ProbeTable) -> list[Point]:
    steps = {each.step: each for each in probe.steps}
    return [
        _probed(point, probe, steps[int(point.at)], table) if int(point.at) in steps else point
        for point in points
    ]


def memorizing(points: Sequence[Point]) -> tuple[float, ...]:
    """Return the points whose member test is significant, adjusted over all (Bonferroni)."""
    known = {point.at: point.member_p for point in points if point.member_p is not None}
    least = max(ALARM / max(1, len(known)), 1 / (ROUNDS + 1))
    return tuple(at for at, p in known.items() if p <= least)


def _probed(point: Point, probe: Probe, step: ProbedStep, table: ProbeTable) -> Point:
    scores: list[Score] = []
    own, base = dict(point.prompts), dict(point.base)
    if step.gain is not None:
        scores.append(_score(GAIN, step.gain, probe.held_out, 0.0))
        own[GAIN] = _gains(table, step.step)
        base[GAIN] = dict.fromkeys(own[GAIN], 0.0)
    if step.member is not None:
        count = probe.held_out + probe.trained
        scores.append(_score(MEMBER, step.member, count, 0.5))
    result = point.result.model_copy(update={"scores": (*point.result.scores, *scores)})
    p = None if step.member is None else step.member.p
    return replace(point, result=result, prompts=own, base=base, member_p=p)


def _score(name: str, found: Interval | MemberTest, n: int, base: float) -> Score:
    low, high = found.low - base, found.high - base
    return Score(
        metric=name,
        value=found.value,
        low=found.low,
        high=found.high,
        n=n,
        higher_is_better=name == GAIN,
        family=name,
        base=Versus(value=base, delta=found.value - base, low=low, high=high),
    )


def _gains(table: ProbeTable, step: int) -> dict[str, float]:
    """Return the pseudo-value of the held-out gain for each held-out picture."""
    losses = table.probed(step, "held-out")
    base, adapter = losses.base.mean(1), losses.adapter.mean(1)
    without = 1 - (adapter.sum() - adapter) / (base.sum() - base)
    values = pseudo_values(1 - float(adapter.sum() / base.sum()), np.asarray(without))
    return {str(number): float(value) for number, value in enumerate(values)}
