"""A candidate beside a baseline, under a policy → pass, fail, or under-powered; pure.

Harm is a difference in the bad direction. A check fails only where the 95 % interval excludes that
there is none, the evidence holds among all checks together (Holm, 5 %), and the effect goes beyond
the margin. It passes only where the whole interval is allowed: within the margin or, where noise
was measured, within what so many prompts can rule out between equal runs. Here is what a policy
asks; what one check is, and how it is decided, is in `check.py`; how it reads in words is the
report's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.decisions import absence, cases
from harness.decisions.check import (
    EVERYTHING,
    Allowed,
    Check,
    Kind,
    Source,
    Verdict,
    bounded,
    decided,
    no_worse,
    within,
)
from harness.decisions.compare import Comparison, compare
from harness.decisions.contender import Contender
from harness.decisions.finding import Claim, Finding, Rules
from harness.decisions.noise import Noise
from harness.errors import UsageError
from harness.pages.policy import DEFAULT, Limits, Policy
from harness.records import column_of

PAIRS = 8
"""Null pairs of every gated metric from which on a gate is more than advisory."""
EXIT_CODES: Mapping[Verdict, int] = {"pass": 0, "fail": 3, "under-powered": 4}


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
    """Metrics that would have been judged, with the reason why they could not: the baseline has no
    value of them either."""
    allowed_missing: tuple[str, ...] = ()
    """Metrics that only the baseline has, with the reason; the policy says that this may be."""

    @property
    def binding(self) -> tuple[Check, ...]:
        """Return the checks that decide."""
        return tuple(check for check in self.checks if check.advisory is None)

    @property
    def verdict(self) -> Verdict:
        verdicts = {check.verdict for check in self.binding}
        return "fail" if "fail" in verdicts else "pass" if verdicts == {"pass"} else "under-powered"

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
    absence.refuse_no_images(candidate, baseline)
    again = [column for column in candidate.flagged if column in baseline.flagged]
    rules, claim = rules_for(policy, noise, groups, again), claim_of(policy, noise)
    compared = compare(candidate, baseline, rules)
    absence.refuse_unknown(policy.allow_missing, compared)
    by_column = {column_of(each.metric): each for each in compared.metrics}
    lost = {column_of(each.metric): each for each in absence.lost(compared, baseline)}
    borne = [column for column in lost if column in policy.allow_missing]
    declared = [column for column, each in by_column.items() if each.declared]
    asked = policy.metrics or [Limits(metric=column) for column in declared]
    named = {each.metric for each in asked}
    rooms = {column: noise.room(column, claim) for column in by_column} if noise else {}
    windows = _with_windows(compared, candidate, baseline, policy, rules)
    checks = [
        check
        for each in asked
        if each.metric not in borne
        for check in _checks(each, compared, windows, candidate, rules, rooms)
    ]
    told_apart = [column for column in again if column not in {*named, *lost}]
    checks += [_harm(by_column[column], rules, rooms, "flags") for column in told_apart]
    sides = cases.Sides(candidate, baseline, compared, noise, groups or {})
    checks += cases.checks_of(policy, sides)
    judged = decided(checks, claim) or [Check("metrics", reason="no metric could be compared")]
    gone = [absence.missing(lost[name]) for name in lost if name not in {*named, *borne}]
    gone += [] if policy.metrics else absence.unlicensed_families(compared)
    whole = _of_all_images(candidate, baseline, compared, policy)
    return Gate(
        policy.name,
        compared,
        (*judged, *gone, *whole),
        claim,
        advisory=_advisory(judged, noise, claim),
        left_out=() if policy.metrics else absence.left_out(compared),
        allowed_missing=tuple(absence.told(lost[column]) for column in borne),
    )


def _of_all_images(
    candidate: Contender, baseline: Contender, compared: Comparison, policy: Policy
) -> list[Check]:
    """Return what is asked of the images whatever they score."""
    return [
        absence.images_there(candidate, baseline, policy.images),
        absence.no_new_flags(candidate, baseline, compared, policy.allow_missing),
    ]


def _with_windows(
    compared: Comparison, candidate: Contender, baseline: Contender, policy: Policy, rules: Rules
) -> Comparison:
    """Return the comparison with windows for margins, where the policy has windows."""
    windows = {each.metric: each.window for each in policy.metrics if each.window is not None}
    return compare(candidate, baseline, replace(rules, margins=windows)) if windows else compared


def claim_of(policy: Policy, noise: Noise | None) -> Claim:
    """Return what a gate is asked about: recipes, where it is known how trainings differ."""
    known = noise is not None and any(each.retrained for each in noise.metrics.values())
    return policy.claim or ("recipe" if known else "file")


def rules_for(
    policy: Policy,
    noise: Noise | None = None,
    groups: Mapping[str, tuple[str, ...]] | None = None,
    flagged: Sequence[str] = (),
) -> Rules:
    """Return what a gate asks of a comparison, whose `needed` is then about the gate's margins.

    Metrics that are `flagged` on both sides are judged even where the policy does not name them.
    """
    margins: dict[str, float] = {}
    between: dict[str, float] = {}
    named = {each.metric: each.margin for each in policy.metrics}
    for column in (*named, *flagged) if named else (noise.metrics if noise else ()):
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
    compared: Comparison,
    wide: Comparison,
    candidate: Contender,
    rules: Rules,
    rooms: Mapping[str, float | None],
) -> list[Check]:
    """Return what a metric's limits ask, without verdicts; `wide` has windows for margins."""
    finding, wider = (
        next(each for each in side.metrics if column_of(each.metric) == limits.metric)
        for side in (compared, wide)
    )
    checks = []
    if limits.margin is not None:
        checks.append(no_worse(finding, "policy", 0.0))
    elif limits.has_margin:
        checks.append(_harm(finding, rules, rooms))
    if limits.window is not None:
        checks.append(within(wider, limits.window))
    between = rules.between.get(limits.metric)
    for allowed in (Allowed(limits.least), Allowed(None, limits.most)):
        if allowed != EVERYTHING:
            checks.append(bounded(finding.metric, candidate, allowed, between))
    return checks


def _harm(
    finding: Finding,
    rules: Rules,
    rooms: Mapping[str, float | None],
    kind: Kind = "non-inferiority",
) -> Check:
    """Return a check of harm beyond the measured noise, or beyond a convention."""
    column = column_of(finding.metric)
    source: Source = "noise" if column in rules.margins else "convention"
    return no_worse(finding, source, rooms.get(column) or 0.0, kind)


def _advisory(checks: Sequence[Check], noise: Noise | None, claim: Claim) -> tuple[str, ...]:
    """Return why a gate is no more than advice."""
    checks = [check for check in checks if check.kind != "flags"]  # no run measures their noise
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
