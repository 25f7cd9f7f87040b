"""Runs that should be equal, and what rules and windows make of them; pure.

Two draws or two trainings of one recipe differ by noise alone, and so do a published result and
the same work done once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from harness.decisions import noise
from harness.decisions.contender import Contender
from harness.decisions.gate import gate
from harness.decisions.noise import Noise
from harness.records import Result, Score, column_of


@dataclass(frozen=True)
class Alarms:
    """How often a rule failed one of two equal runs."""

    pairs: int
    gate: int
    """By the default policy."""
    under_powered: int
    naive: int | None
    """By the rule that a candidate fails if its FID went up; None where there is no FID."""


@dataclass(frozen=True)
class Calibration:
    """What was measured of a baseline's noise, and how a gate with that noise does on it."""

    baseline: Path
    noise: Noise
    file: Path
    draws: Alarms
    trainings: Alarms


def alarms(runs: Sequence[Contender], measured: Noise) -> Alarms:
    """Return how the default gate, and a naive rule, judge pairs of equal runs, each way round."""
    equal = [as_equal(each, measured.signature) for each in runs]
    pairs = [pair for one, other in combinations(equal, 2) for pair in ((one, other), (other, one))]
    gates = [gate(a, b, noise=measured).verdict for a, b in pairs]
    rises = [rise for a, b in pairs if (rise := _fid_rose(a, b)) is not None]
    return Alarms(
        len(pairs), gates.count("fail"), gates.count("under-powered"), sum(rises) if rises else None
    )


def as_equal(contender: Contender, signature: str) -> Contender:
    """Return a run under a signature that it shares with its equals, its seeds numbered."""
    result = contender.result.model_copy(update={"signature": signature})
    return noise.by_rank(replace(contender, result=result))


def _fid_rose(a: Contender, b: Contender) -> bool | None:
    one, other = a.score("fid"), b.score("fid")
    if one is None or other is None or one.value is None or other.value is None:
        return None
    return one.value > other.value


@dataclass(frozen=True)
class Again:
    """One metric of a published result, and of the same work done once more."""

    metric: str
    published: float | None
    found: float | None
    window: float | None
    """How far apart they may lie: what noise was measured to do, else half an interval."""

    @property
    def verdict(self) -> str:
        if self.published is None or self.found is None or self.window is None:
            return "unavailable"
        if self.published == self.found:
            return "identical"
        return "inside" if abs(self.published - self.found) <= self.window else "outside"


@dataclass(frozen=True)
class Reproduction:
    """A published result, made again from nothing."""

    published: Result
    found: Result
    metrics: tuple[Again, ...]
    changed: tuple[str, ...]
    """Steps whose keys are not those of the published result: its page or the code has changed."""

    @property
    def holds(self) -> bool:
        return not any(each.verdict == "outside" for each in self.metrics)


def again(published: Score, remade: Score | None, measured: Noise | None) -> Again:
    """Return a metric of both, with the window that the second value may lie in."""
    window = measured.margin(column_of(published.metric)) if measured else None
    if window is None and published.low is not None and published.high is not None:
        window = (published.high - published.low) / 2
    return Again(published.metric, published.value, remade.value if remade else None, window)
