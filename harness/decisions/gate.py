"""A candidate beside a baseline, under a policy → pass, fail, or under-powered; pure.

Harm is a difference in the bad direction. A check fails only where the 95 % interval excludes that
there is none, the evidence holds among all checks together (Holm, 5 %), and the effect goes beyond
the margin. It passes only where the whole interval is allowed: within the margin or, where noise
was measured, within what so many prompts can rule out between equal runs. Anything else is
under-powered: no evidence of harm is no evidence that there is none. How that reads in words is the
report's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import stats

from harness.decisions import paired
from harness.decisions.compare import (
    Claim,
    Comparison,
    Contender,
    Finding,
    Rules,
    compare,
)
from harness.decisions.noise import REACH, Noise
from harness.decisions.paired import ALPHA
from harness.errors import UsageError
from harness.pages.policy import DEFAULT, Limits, Policy
from harness.pipeline.results.read import headline
from harness.records import column_of

PAIRS = 8
"""Null pairs of every gated metric from which on a gate is more than advisory."""
Verdict = Literal["pass", "fail", "under-powered"]
EXIT_CODES: Mapping[Verdict, int] = {"pass": 0, "fail": 3, "under-powered": 4}
Kind = Literal["non-inferiority", "window", "bound", "images", "flags", "metrics"]
Source = Literal["policy", "noise", "convention"]


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
    least: float | None = None
    most: float | None = None
    """What the effect may be; None where there is no end."""
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


@dataclass(frozen=True)
class Gate:
    """What a policy says of a candidate."""

    policy: str
    comparison: Comparison
    """The candidate is A, the baseline B."""
    checks: tuple[Check, ...]
    claim: Claim
    """What it is asked about: these files, or any training of the recipes."""
    advisory: tuple[str, ...] = ()
    """Why it is no more than advice; empty if it is."""
    left_out: tuple[str, ...] = ()
    """Metrics that would have been judged, with the reason why they could not."""

    @property
    def verdict(self) -> Verdict:
        found = {check.verdict for check in self.checks}
        return "fail" if "fail" in found else "pass" if found == {"pass"} else "under-powered"

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.verdict]


def gate(
    candidate: Contender,
    baseline: Contender,
    policy: Policy = DEFAULT,
    noise: Noise | None = None,
    groups: Mapping[str, tuple[str, ...]] | None = None,
) -> Gate:
    """Return what a policy says of a candidate; both must share a signature."""
    if noise is not None and noise.signature != baseline.result.signature:
        raise UsageError(
            "the noise was measured under another signature than the baseline's",
            hint="`harness calibrate` again",
        )
    rules, claim = rules_for(policy, noise, groups), claim_of(policy, noise)
    found = compare(candidate, baseline, rules)
    windows = {each.metric: each.window for each in policy.metrics if each.window is not None}
    wide = compare(candidate, baseline, replace(rules, margins=windows)) if windows else found
    declared = [column_of(each.metric) for each in found.metrics if each.declared]
    asked = policy.metrics or [Limits(metric=column) for column in declared]
    rooms = {column: noise.room(column, claim) for column in declared} if noise else {}
    checks = [
        check for each in asked for check in _checks(each, found, wide, candidate, rules, rooms)
    ]
    nothing = Check("metrics", reason="no metric could be compared")
    judged = _judged([_claimed(check, claim) for check in checks]) or [nothing]
    whole = [_images(candidate, policy.images), _flags(candidate, baseline)]
    left_out = () if policy.metrics else _left_out(found)
    advisory = _advisory(judged, noise, claim)
    return Gate(policy.name, found, (*judged, *whole), claim, advisory, left_out)


def claim_of(policy: Policy, noise: Noise | None) -> Claim:
    """Return what a gate is asked about: recipes, where it is known how trainings differ."""
    known = noise is not None and any(each.retrained for each in noise.metrics.values())
    return policy.claim or ("recipe" if known else "file")


def rules_for(
    policy: Policy, noise: Noise | None = None, groups: Mapping[str, tuple[str, ...]] | None = None
) -> Rules:
    """Return what a gate asks of a comparison, whose `needed` is then about the gate's margins."""
    margins: dict[str, float] = {}
    between: dict[str, float] = {}
    named = {each.metric: each.margin for each in policy.metrics}
    for column in named or (noise.metrics if noise else ()):
        measured = noise.margin(column) if noise else None
        margin = measured if named.get(column) is None else named[column]
        if margin is not None:
            margins[column] = margin
        spread = noise.between(column) if noise else None
        if spread is not None and claim_of(policy, noise) == "recipe":
            between[column] = spread
    return Rules(tuple(named), margins, between, groups or {})


def _checks(
    limits: Limits,
    found: Comparison,
    wide: Comparison,
    candidate: Contender,
    rules: Rules,
    rooms: Mapping[str, float | None],
) -> list[Check]:
    """Return what a metric's limits ask, without verdicts; `wide` has windows for margins."""
    finding, wider = (
        next(each for each in side.metrics if column_of(each.metric) == limits.metric)
        for side in (found, wide)
    )
    checks = []
    if limits.has_margin:
        source: Source = "policy" if limits.margin is not None else "noise"
        known = limits.metric in rules.margins
        room = rooms.get(limits.metric) if limits.margin is None else None
        checks.append(_no_worse(finding, source if known else "convention", room or 0.0))
    if limits.window is not None:
        checks.append(_within(wider, limits.window))
    spread = rules.between.get(limits.metric)
    for least, most in ((limits.least, None), (None, limits.most)):
        if least is not None or most is not None:
            checks.append(_bounded(finding.metric, candidate, least, most, spread))
    return checks


def _no_worse(finding: Finding, source: Source, room: float) -> Check:
    """Return a check of harm: a pass rules out the margin, or `room` where that is more."""
    if finding.delta is None:
        return _unavailable("non-inferiority", finding.metric, finding.reason)
    assert finding.p is not None
    assert finding.margin is not None
    end = max(finding.margin, room)
    least, most = (-end, None) if finding.higher_is_better else (None, end)
    is_harm = (finding.delta < 0) == finding.higher_is_better
    one_sided = finding.p / 2 if is_harm else 1 - finding.p / 2
    return replace(
        _difference("non-inferiority", finding), least=least, most=most, source=source, p=one_sided
    )


def _within(finding: Finding, window: float) -> Check:
    if finding.delta is None:
        return _unavailable("window", finding.metric, finding.reason)
    return replace(
        _difference("window", finding), least=-window, most=window, source="policy", p=finding.p
    )


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


def _bounded(
    metric: str,
    candidate: Contender,
    least: float | None,
    most: float | None,
    spread: float | None,
) -> Check:
    """Return a check of the candidate's own interval, whose p is that of a normal of its reach."""
    score = candidate.score(column_of(metric))
    if score is None or score.value is None or score.low is None or score.high is None:
        return _unavailable("bound", metric, score.reason if score else "has no such metric")
    is_recipe = candidate.result.interval == "recipe"
    more = 0.0 if spread is None or is_recipe else REACH * spread
    below = float(np.hypot(score.value - score.low, more))
    above = float(np.hypot(score.high - score.value, more))
    beyond, reach = (
        (least - score.value, above) if least is not None else (score.value - (most or 0.0), below)
    )
    away = REACH * beyond / reach if reach > 0 else float(np.copysign(np.inf, beyond))
    return Check(
        "bound",
        metric,
        effect=score.value,
        low=score.value - below,
        high=score.value + above,
        least=least,
        most=most,
        source="policy",
        p=float(stats.norm.sf(away)),
        claim="recipe" if is_recipe or spread is not None else "file",
    )


def _unavailable(kind: Kind, metric: str, reason: str | None) -> Check:
    """Return a failure: what a policy asks by name must be there."""
    return Check(kind, metric, "fail", reason=f"has no value ({_sided(reason)})")


def _sided(reason: str | None) -> str:
    """Return a comparison's reason with A and B by the names that they have here."""
    return re.sub("^A(?=[: ])", "candidate", re.sub("^B(?=[: ])", "baseline", reason or ""))


def _claimed(check: Check, claim: Claim) -> Check:
    """Return the check, or why it cannot speak for what the gate is asked about."""
    if claim == "file" or check.claim == "recipe" or check.verdict == "fail":
        return check
    reason = "the gate asks about recipes, and nobody knows how far trainings of this one differ"
    return replace(check, p=None, reason=reason)


def _judged(checks: Sequence[Check]) -> list[Check]:
    adjusted = iter(paired.holm([check.p for check in checks if check.p is not None]))
    return [_decided(check, next(adjusted)) if check.p is not None else check for check in checks]


def _decided(check: Check, p: float) -> Check:
    """Return the check with its verdict: the whole interval is allowed, or there is sure harm."""
    assert check.low is not None
    assert check.high is not None
    least = -np.inf if check.least is None else check.least
    most = np.inf if check.most is None else check.most
    verdict: Verdict = "under-powered"
    if p < ALPHA and _is_harm(check):
        verdict = "fail"
    elif least <= check.low and check.high <= most:
        verdict = "pass"
    return replace(check, p_adjusted=p, verdict=verdict)


def _is_harm(check: Check) -> bool:
    """Return whether the effect is beyond the margin, or the end of what is allowed, and its
    interval excludes that there is none."""
    assert check.effect is not None
    assert check.low is not None
    assert check.high is not None
    least, most = check.least, check.most
    bottom, top = (least, most) if check.kind == "bound" else (0.0, 0.0)
    if check.kind == "non-inferiority":
        least = None if least is None else -(check.margin or 0.0)
        most = None if most is None else check.margin
    falls_short = least is not None and check.effect < least and check.high < (bottom or 0.0)
    goes_beyond = most is not None and check.effect > most and check.low > (top or 0.0)
    return falls_short or goes_beyond


def _images(candidate: Contender, allowed: int) -> Check:
    images = candidate.result.images
    lost = images.expected - images.scored + images.black
    what = f"{lost} of {images.expected} images are missing, failed or black; {allowed} may be"
    return Check("images", verdict="fail" if lost > allowed else "pass", reason=what)


def _flags(candidate: Contender, baseline: Contender) -> Check:
    """Return a failure for a flag that the baseline does not carry in the same metric."""
    flags, known = (
        {column_of(each.metric): each.flag for each in side.result.scores if each.flag}
        for side in (candidate, baseline)
    )
    new = [f"{column} {flag}" for column, flag in flags.items() if column not in known]
    if new:
        return Check("flags", verdict="fail", reason="; ".join(new))
    reason = f"the baseline carries them too: {', '.join(flags)}" if flags else "there are none"
    return Check("flags", verdict="pass", reason=reason)


def _left_out(found: Comparison) -> tuple[str, ...]:
    """Return what would have led its family and has no value, with the reason."""
    led: set[str] = set()
    out = []
    for each in sorted(found.metrics, key=lambda each: headline(each.metric)):
        if each.delta is None and each.family not in led:
            out.append(f"{each.metric} ({_sided(each.reason)})")
        elif each.declared:
            led.add(each.family)
    return tuple(out)


def _advisory(checks: Sequence[Check], noise: Noise | None, claim: Claim) -> tuple[str, ...]:
    """Return why a gate is no more than advice."""
    usual = [check.metric for check in checks if check.source == "convention"]
    reasons = (
        [
            f"the margin of {', '.join(usual)} is a convention, half the spread between "
            "prompts: `harness calibrate` measures one"
        ]
        if usual
        else []
    )
    compared = [check.metric for check in checks if check.metric and check.kind != "bound"]
    columns = dict.fromkeys(column_of(metric) for metric in compared)
    pairs = {column: noise.pairs(column, claim) if noise else 0 for column in columns}
    few = [f"{column} {count}" for column, count in pairs.items() if count < PAIRS]
    if columns and noise is None:
        reasons.append(f"no null pairs were measured, and it takes {PAIRS}: `harness calibrate`")
    elif few:
        reasons.append(f"it takes {PAIRS} null pairs, and there are: {', '.join(few)}")
    return tuple(reasons)
