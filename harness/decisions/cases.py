"""The cases of a policy: prompts that must not get worse, each a check of its own.

A case is about the images of its own prompts and no others, so its unit is an image, beside the
baseline's of the same prompt and seed. The spread between its prompts counts as chance, which
makes intervals wider than they need be, and never narrower.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.decisions.check import Check, Source, no_worse, sided, unlicensed
from harness.decisions.compare import Comparison
from harness.decisions.contender import Contender, pair
from harness.decisions.finding import Finding
from harness.decisions.noise import Noise
from harness.errors import UsageError
from harness.interfaces import Array
from harness.metrics.statistics import paired, power
from harness.metrics.statistics.intervals import ALPHA
from harness.metrics.statistics.noise import of_difference, share_beyond, stays_within
from harness.pages.policy import Case, Policy
from harness.pipeline.results.read import headline
from harness.records import column_of

Groups = Mapping[str, tuple[str, ...]]
"""The suite and the tags of every prompt, by its id."""
FEWEST = 5
"""Images from which on going through all exchanges of two sides can tell them apart at all."""


@dataclass(frozen=True)
class Sides:
    """What cases are asked of."""

    candidate: Contender
    baseline: Contender
    compared: Comparison
    noise: Noise | None
    groups: Groups

    def column(self, column: str) -> Finding | None:
        every = self.compared.metrics
        return next((each for each in every if column_of(each.metric) == column), None)


def checks_of(policy: Policy, sides: Sides) -> list[Check]:
    """Return a check for every case, without verdicts; names that mean nothing are refused."""
    checks = []
    for case in policy.cases:
        prompts, finding = _prompts(case, sides), _finding(case, sides)
        if finding is not None and _is_borne(finding, policy):
            continue
        check = _check(case, prompts, finding, sides)
        checks.append(replace(check, case=case.title, prompt_ids=prompts))
    return checks


def _is_borne(finding: Finding, policy: Policy) -> bool:
    """Return whether the candidate has no value, and the policy lets it lack one."""
    return finding.a is None and column_of(finding.metric) in policy.allow_missing


def _prompts(case: Case, sides: Sides) -> tuple[str, ...]:
    """Return the prompts of a case."""
    both = (sides.candidate, sides.baseline)
    of_images = {prompt for side in both for each in side.samples.values() for prompt, _ in each}
    every = sorted(
        of_images | {prompt for side in both for each in side.prompts.values() for prompt in each}
    )
    if case.prompt is not None:
        _require(case.prompt, "prompt", every)
        return (case.prompt,)
    assert case.tag is not None
    if not sides.groups:
        raise UsageError(
            f"the tag {case.tag} of a case is not known",
            hint=f"the page of {sides.baseline.result.benchmark} holds the tags, and is not here",
        )
    _require(
        case.tag, "tag", sorted({tag for prompt in every for tag in sides.groups.get(prompt, ())})
    )
    return tuple(prompt for prompt in every if case.tag in sides.groups.get(prompt, ()))


def _require(name: str, kind: str, known: Sequence[str]) -> None:
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known[:20])}"
        raise UsageError(f"a case of the policy: no {kind} is named {name}", hint=hint)


def _finding(case: Case, sides: Sides) -> Finding | None:
    """Return the metric of a case: the one it names, or the first that may judge single images."""
    told = [column for column, each in sides.baseline.samples.items() if each]
    if case.metric is not None:
        named = sides.column(case.metric)
        if named is None or case.metric not in told:
            raise UsageError(
                f"the case of {case.title}: {case.metric} has no values of single images",
                hint=f"there are {', '.join(sorted(told))}",
            )
        return named
    may = [
        each
        for each in sides.compared.metrics
        if column_of(each.metric) in told and each.licence is None and each.family != "probe"
    ]
    return min(may, key=lambda each: headline(each.metric), default=None)


def _check(case: Case, prompts: tuple[str, ...], finding: Finding | None, sides: Sides) -> Check:
    if finding is None:
        return Check("case", reason="no metric that may judge here has values of single images")
    if finding.licence is not None:
        return unlicensed("case", finding.metric, finding.licence)
    if finding.a is None or finding.delta is None:
        return Check("case", finding.metric, reason=f"cannot be compared ({sided(finding.reason)})")
    column = column_of(finding.metric)
    each = _differences(column, prompts, sides)
    if len(each) < 2:
        return Check("case", finding.metric, reason=f"needs 2 images of both, has {len(each)}")
    runs = sides.noise.runs_of(column, prompts) if sides.noise else []
    margin, source = _margin(case, column, runs, sides)
    estimate = paired.difference(each)
    measured = replace(
        finding,
        delta=estimate.value,
        low=estimate.low,
        high=estimate.high,
        p=paired.paired_p(each),
        margin=margin,
        needed=_needed(margin, each),
        prompts=len(each),
        claim="file",
    )
    check = no_worse(measured, source, 0.0, "case")
    return check if source == "noise" else replace(check, advisory=_flaky(runs, margin))


def _differences(column: str, prompts: tuple[str, ...], sides: Sides) -> Array:
    """Return the candidate minus the baseline at every prompt and seed that both have."""
    after, before = (side.samples.get(column, {}) for side in (sides.candidate, sides.baseline))
    keys = sorted(key for key in after.keys() & before.keys() if key[0] in prompts)
    return np.array([after[key] - before[key] for key in keys])


def _margin(case: Case, column: str, runs: Sequence[Array], sides: Sides) -> tuple[float, Source]:
    """Return what the policy allows, or else the noise of these prompts, or else a convention."""
    if case.margin is not None:
        return case.margin, "policy"
    if runs:
        return stays_within(max(of_difference(each) for each in runs)), "noise"
    pairing = pair(column, sides.candidate, sides.baseline)
    return paired.usual_margin(pairing.a, pairing.b), "convention"


def _needed(margin: float, each: Array) -> int | None:
    needed = power.prompts_needed(margin, float(each.std(ddof=1))) if margin > 0 else None
    return None if needed is None else max(needed, FEWEST)


def _flaky(runs: Sequence[Array], margin: float) -> str | None:
    """Return what a case did between equal runs, if its margin does not hold 19 times in 20."""
    shares = [share_beyond(each, margin) for each in runs]
    if not shares or max(shares) <= ALPHA:
        return None
    return f"flaky: {max(shares):.0%} of pairs of equal runs differ by more than {margin:.4g}"
