"""One thing that a gate holds a candidate to, with what is allowed and whether it holds.

A check fails where there is harm and the evidence for it is sure. It passes where its whole
interval is allowed. Anything else is under-powered: no evidence of harm is no evidence that there
is none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from harness.decisions.contender import Contender
from harness.decisions.finding import Claim, Finding
from harness.metrics.statistics.intervals import ALPHA, normal_p, widened
from harness.metrics.statistics.multiple import holm
from harness.records import column_of

Verdict = Literal["pass", "fail", "under-powered"]
Kind = Literal[
    "non-inferiority", "window", "bound", "images", "flags", "metrics", "missing", "case"
]
HELD: tuple[Kind, ...] = ("non-inferiority", "flags", "case")
"""Checks of harm: a pass may take more room than a failure takes harm."""
Source = Literal["policy", "noise", "convention"]


@dataclass(frozen=True)
class Allowed:
    """The values between two ends, themselves included; None where there is no end."""

    low: float | None = None
    high: float | None = None

    def holds(self, low: float, high: float) -> bool:
        """Return whether a whole interval is allowed."""
        return (self.low is None or self.low <= low) and (self.high is None or high <= self.high)

    def side(self, low: float, high: float) -> int:
        """Return where a whole interval lies: −1 below what is allowed, 1 above it, else 0."""
        if self.low is not None and high < self.low:
            return -1
        return 1 if self.high is not None and low > self.high else 0


EVERYTHING, NO_CHANGE = Allowed(), Allowed(0.0, 0.0)


@dataclass(frozen=True)
class Check:
    """One thing that must hold; numbers are in the metric's own unit."""

    kind: Kind
    metric: str = ""
    verdict: Verdict = "under-powered"
    effect: float | None = None
    """The candidate minus the baseline; for a bound, the candidate's own value."""
    low: float | None = None
    high: float | None = None
    allowed: Allowed = EVERYTHING
    """Where the whole interval must lie to pass."""
    margin: float | None = None
    """The harm from which on it fails, where it is sure."""
    source: Source | None = None
    """Where the margin is from; by convention it is half the spread between prompts."""
    p: float | None = None
    """Of no harm at all: one-sided, but for windows."""
    p_adjusted: float | None = None
    """Over all checks of the gate."""
    prompts: int = 0
    needed: int | None = None
    """How many prompts would tell four times in five; None where no number does."""
    claim: Claim = "file"
    reason: str | None = None
    """What there is to say where numbers do not."""
    case: str = ""
    """The prompts that it is about, in words; empty if it is about all."""
    prompt_ids: tuple[str, ...] = ()
    """The prompts of a case."""
    advisory: str | None = None
    """Why it is advice and decides nothing; None if it decides."""

    @property
    def harmless(self) -> Allowed:
        """Return the effects that are no harm, however sure they are."""
        if self.kind not in HELD or self.margin is None:
            return self.allowed
        is_lower_end = self.allowed.low is not None
        return Allowed(-self.margin) if is_lower_end else Allowed(None, self.margin)


def check_json(check: Check) -> dict[str, Any]:
    """Return a check as plain values, with both ends of what is allowed beside the others."""
    values = asdict(check)
    ends = values.pop("allowed")
    return {**values, "least": ends["low"], "most": ends["high"]}


def no_worse(
    finding: Finding, source: Source, room: float, kind: Kind = "non-inferiority"
) -> Check:
    """Return a check of harm: a pass rules out the margin, or `room` where that is more."""
    if finding.licence is not None:
        return unlicensed(kind, finding.metric, finding.licence)
    if finding.delta is None:
        return _unavailable(kind, finding.metric, finding.reason)
    assert finding.p is not None
    assert finding.margin is not None
    end = max(finding.margin, room)
    allowed = Allowed(-end) if finding.higher_is_better else Allowed(None, end)
    is_harm = (finding.delta < 0) == finding.higher_is_better
    one_sided = finding.p / 2 if is_harm else 1 - finding.p / 2
    check = _difference(kind, finding)
    return replace(check, allowed=allowed, source=source, p=one_sided)


def within(finding: Finding, window: float) -> Check:
    """Return a check that the candidate lies no farther than `window` to either side."""
    if finding.licence is not None:
        return unlicensed("window", finding.metric, finding.licence)
    if finding.delta is None:
        return _unavailable("window", finding.metric, finding.reason)
    allowed, check = Allowed(-window, window), _difference("window", finding)
    return replace(check, allowed=allowed, source="policy", p=finding.p)


def _difference(kind: Kind, finding: Finding) -> Check:
    return Check(
        kind,
        finding.metric,
        effect=finding.delta,
        low=finding.low,
        high=finding.high,
        margin=finding.margin,
        prompts=finding.prompts,
        needed=finding.needed,
        claim=finding.claim,
    )


def bounded(metric: str, candidate: Contender, allowed: Allowed, between: float | None) -> Check:
    """Return a check of the candidate's own interval, whose p is that of a normal of its reach.

    `between` is the standard deviation between trainings, where it is known.
    """
    score = candidate.score(column_of(metric))
    if score is not None and score.licence is not None and not score.may_judge:
        return unlicensed("bound", metric, score.licence)
    if score is None or score.value is None or score.low is None or score.high is None:
        return _unavailable("bound", metric, score.reason if score else "has no such metric")
    is_recipe = candidate.result.interval == "recipe"
    more = 0.0 if between is None or is_recipe else between
    value, low, high = widened((score.value, score.low, score.high), more)
    if allowed.low is not None:
        p = normal_p(allowed.low - value, high - value)
    else:
        assert allowed.high is not None
        p = normal_p(value - allowed.high, value - low)
    return Check(
        "bound",
        metric,
        effect=value,
        low=low,
        high=high,
        allowed=allowed,
        source="policy",
        p=p,
        claim="recipe" if is_recipe or between is not None else "file",
    )


def _unavailable(kind: Kind, metric: str, reason: str | None) -> Check:
    """Return a failure: what a policy asks by name must be there."""
    return Check(kind, metric, "fail", reason=f"has no value ({sided(reason)})")


def unlicensed(kind: Kind, metric: str, licence: str, beside: str = "") -> Check:
    """Return a check that cannot tell: the metric has not shown that it may judge here."""
    return Check(kind, metric, reason=f"may not judge here: {licence}{beside}")


def sided(reason: str | None) -> str:
    """Return a comparison's reason with A and B by the names that they have here."""
    return re.sub("^A(?=[: ])", "candidate", re.sub("^B(?=[: ])", "baseline", reason or ""))


def decided(checks: Sequence[Check], claim: Claim) -> list[Check]:
    """Return the checks with their verdicts, their p-values adjusted over all of them (Holm)."""
    speaking = [_about(check, claim) for check in checks]
    adjusted = iter(holm([check.p for check in speaking if check.p is not None]))
    return [check if check.p is None else _decided(check, next(adjusted)) for check in speaking]


def _about(check: Check, claim: Claim) -> Check:
    """Return the check, or why it cannot speak for what the gate is asked about.

    A flag is about the file that carries it, and a case about the images that are there, whatever
    the gate is asked about.
    """
    is_about_this = check.claim in (claim, "recipe") or check.kind in ("flags", "case")
    if is_about_this or check.verdict == "fail":
        return check
    reason = "the gate asks about recipes, and how far trainings of this one differ is not known"
    return replace(check, p=None, reason=reason)


def _decided(check: Check, p: float) -> Check:
    """Return the check with its verdict: the whole interval is allowed, or there is sure harm."""
    assert check.low is not None
    assert check.high is not None
    verdict: Verdict = "under-powered"
    if p < ALPHA and _is_harm(check):
        verdict = "fail"
    elif check.allowed.holds(check.low, check.high):
        verdict = "pass"
    return replace(check, p_adjusted=p, verdict=verdict)


def _is_harm(check: Check) -> bool:
    """Return whether the effect is more than harmless, and its interval excludes no harm at all."""
    assert check.effect is not None
    assert check.low is not None
    assert check.high is not None
    none_at_all = check.allowed if check.kind == "bound" else NO_CHANGE
    side = check.harmless.side(check.effect, check.effect)
    return side != 0 and none_at_all.side(check.low, check.high) == side
