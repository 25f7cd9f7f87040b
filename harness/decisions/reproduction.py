"""Runs that should be equal, and what rules and windows make of them; pure.

Two draws or two trainings of one recipe differ by noise alone, and so do a published result and
the same work done once more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Literal

from harness.decisions import noise
from harness.decisions.compare import unlike_parts
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


Sameness = Literal["identical", "inside", "outside", "unavailable", "lost"]
Outcome = Literal["holds", "differs", "under-powered"]
EXIT_CODES: Mapping[Outcome, int] = {"holds": 0, "differs": 3, "under-powered": 4}


@dataclass(frozen=True)
class Again:
    """One metric of a published result, and of the same work done once more."""

    metric: str
    published: float | None
    found: float | None
    window: float | None
    """How far apart they may lie: what noise was measured to do, else half an interval."""

    @property
    def verdict(self) -> Sameness:
        if self.published is None:
            return "unavailable"
        if self.published == self.found:
            return "identical"
        if self.found is None or self.window is None:
            return "lost"
        return "inside" if abs(self.published - self.found) <= self.window else "outside"

    @property
    def loss(self) -> str | None:
        """Return why a published value cannot be told to hold, if so."""
        if self.verdict != "lost":
            return None
        why = "was not found again" if self.found is None else "was published without an interval"
        return f"{self.metric} {why}"


@dataclass(frozen=True)
class Reproduction:
    """A published result, made again from nothing."""

    published: Result
    found: Result
    metrics: tuple[Again, ...]
    changed: tuple[str, ...]
    """Steps whose keys are not those of the published result: its page or the code has changed."""

    @property
    def verdict(self) -> Outcome:
        """Return whether it holds; without one value to compare, or with one lost, none can tell.

        Fewer images than were published are a difference, whatever the others' values are. Under
        another signature neither says anything.
        """
        if self.unlike:
            return "under-powered"
        verdicts = {each.verdict for each in self.metrics}
        if "outside" in verdicts or self.images_lost > 0:
            return "differs"
        if "lost" in verdicts or not verdicts & {"identical", "inside"}:
            return "under-powered"
        return "holds"

    @property
    def holds(self) -> bool:
        return self.verdict == "holds"

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.verdict]

    @property
    def images_lost(self) -> int:
        """Return how many more images are missing, failed or black than were published."""
        return _gone(self.found) - _gone(self.published)

    @property
    def unlike(self) -> tuple[str, ...]:
        """Return in what the two were judged unlike."""
        if self.published.signature == self.found.signature:
            return ()
        return unlike_parts(self.published.protocol, self.found.protocol) or ("signature",)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return why it does not hold."""
        if self.unlike:
            return (f"the two were judged unlike, in {', '.join(self.unlike)}",)
        outside = [each.metric for each in self.metrics if each.verdict == "outside"]
        found = [f"{', '.join(outside)} outside the window"] if outside else []
        if self.images_lost > 0:
            found.append(f"{self.images_lost} more images are missing, failed or black")
        found += [each.loss for each in self.metrics if each.loss is not None]
        if all(each.published is None for each in self.metrics):
            found.append("the published result has no value to compare")
        return tuple(found)


def _gone(result: Result) -> int:
    return result.images.expected - result.images.scored + result.images.black


def again(published: Score, remade: Score | None, measured: Noise | None) -> Again:
    """Return a metric of both, with the window that the second value may lie in."""
    window = measured.margin(column_of(published.metric)) if measured else None
    if window is None and published.low is not None and published.high is not None:
        window = (published.high - published.low) / 2
    return Again(published.metric, published.value, remade.value if remade else None, window)
