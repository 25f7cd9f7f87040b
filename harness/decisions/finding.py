"""One metric of two results: the difference, its interval, and what it would take to detect more.

A difference is always A minus B, on the prompts that both results have. The formulas are in
`metrics/statistics/`; here is which of them a metric is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from harness.decisions.contender import Contender, Pairing, View, pair
from harness.interfaces import Array
from harness.metrics.exchange import values_of
from harness.metrics.statistics import paired, power
from harness.metrics.statistics.intervals import ALPHA
from harness.metrics.statistics.jackknife import clusters
from harness.metrics.statistics.paired import Tally
from harness.metrics.statistics.variance import Component, of_known_runs, of_mean
from harness.records import Score, column_of

Verdict = Literal["better", "worse", "no-difference", "under-powered"]
Claim = Literal["file", "recipe"]
"""What holds of these files alone, or of any training of the recipes."""


@dataclass(frozen=True)
class Rules:
    """What is asked of a comparison beside the results; metrics are named by their columns."""

    declared: tuple[str, ...] = ()
    """Metrics that decide, and whose p-values are adjusted together; if empty, one a family."""
    margins: Mapping[str, float] = field(default_factory=dict)
    """The smallest effect that matters; by convention half the standard deviation of prompts."""
    between: Mapping[str, float] = field(default_factory=dict)
    """The standard deviation between training runs, where it is known from elsewhere."""
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The suites and tags of each prompt, for tallies by them."""
    force: bool = False
    """Whether to go on where signatures differ."""
    draws: int = 199
    """How often images are exchanged between A and B, for metrics that need it."""


@dataclass(frozen=True)
class Ratio:
    """A over B, as the geometric mean over prompts, with its interval."""

    value: float
    low: float
    high: float
    margin: float
    """The ratio from which on it matters; so does one over it."""


@dataclass(frozen=True)
class Finding:
    """One metric of two results; values, differences and margins are in its own unit."""

    metric: str
    family: str
    higher_is_better: bool
    a: float | None
    b: float | None
    delta: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    """Over all declared metrics; any other stands alone."""
    mde: float | None = None
    """The minimum detectable effect: what the test detects four times in five."""
    margin: float | None = None
    ratio: Ratio | None = None
    """What is tested in place of the difference, where prompts differ in how much there is."""
    needed: int | None = None
    """How many prompts detect the margin four times in five; None where a million do not."""
    prompts: int = 0
    tally: Tally = field(default_factory=Tally)
    groups: Mapping[str, Tally] = field(default_factory=dict)
    method: str = ""
    claim: Claim = "file"
    declared: bool = False
    verdict: Verdict = "under-powered"
    reason: str | None = None
    """Why nothing can be said."""
    licence: str | None = None
    """Why the metric may not judge here, whatever its values; None if nothing forbids it."""


def finding_of(column: str, a: Contender, b: Contender, rules: Rules) -> Finding:
    one, other = a.score(column), b.score(column)
    either = one or other
    assert either is not None
    refused = [each.licence for each in (one, other) if each and not each.may_judge]
    blank = Finding(
        either.metric,
        either.family or column,
        either.higher_is_better,
        one.value if one else None,
        other.value if other else None,
        licence=refused[0] if refused else None,
    )
    if one is None or one.value is None:
        return replace(blank, reason=f"A: {one.reason if one else 'has no such metric'}")
    if other is None or other.value is None:
        return replace(blank, reason=f"B: {other.reason if other else 'has no such metric'}")
    if one.metric != other.metric:
        return replace(blank, reason=f"B has {other.metric}: the value depends on N")
    pairing = pair(column, a, b)
    if len(pairing.prompts) < 2:
        return replace(blank, reason=f"needs 2 common prompts, has {len(pairing.prompts)}")
    measured = _measured(blank, pairing, one, other, rules)
    if rules.draws and measured.claim == "file" and column in a.views and column in b.views:
        return _exchanged(measured, a.views[column], b.views[column], rules.draws)
    return measured


def _exchanged(finding: Finding, one: View, other: View, draws: int) -> Finding:
    """Return the finding with the p of exchanging images of the same prompts and seeds."""
    (metric, a, sides), (_, b, _) = one(), other()
    at = {key: row for row, key in enumerate(zip(b.prompt_ids, b.seeds, strict=True))}
    keys = [
        (row, at[key])
        for row, key in enumerate(zip(a.prompt_ids, a.seeds, strict=True))
        if key in at
    ]
    if not keys:
        return finding
    rows, others = np.array(keys, np.int64).T
    a, b = a.take(rows), b.take(others)
    p = paired.swap_p(values_of(metric, a, b, sides), clusters(a.prompt_ids), draws)
    return replace(finding, p=p, method=f"{draws} exchanges of images within prompts")


def _measured(blank: Finding, pairing: Pairing, one: Score, other: Score, rules: Rules) -> Finding:
    assert one.value is not None
    assert other.value is not None
    column, a, b = column_of(blank.metric), pairing.a, pairing.b
    each, runs = a - b, _of_runs(one, other, rules.between.get(column))
    centre = one.value - other.value if pairing.kind == "jackknife" else float(each.mean())
    estimate = paired.estimate(centre, [of_mean(each), *runs])
    is_exact = not runs and pairing.kind != "jackknife" and len(each) < paired.EXACT_BELOW
    margin = rules.margins.get(column, paired.usual_margin(a, b))
    better, worse = (a, b) if blank.higher_is_better else (b, a)
    groups = [rules.groups.get(prompt, ()) for prompt in pairing.prompts]
    tallies = paired.tallies(better, worse, groups)
    measured = replace(
        blank,
        delta=estimate.value,
        low=estimate.low,
        high=estimate.high,
        p=paired.sign_flip(each) if is_exact else estimate.p,
        mde=power.detectable(estimate.error, estimate.freedom),
        margin=margin,
        needed=power.prompts_needed(margin, float(each.std(ddof=1)), runs),
        prompts=len(each),
        claim="recipe" if runs else "file",
        tally=tallies.pop(""),
        groups=tallies,
        method=_method(pairing, is_exact, bool(runs)),
    )
    return _by_ratio(measured, a, b) if pairing.kind == "log-ratio" and not runs else measured


def _by_ratio(finding: Finding, a: Array, b: Array) -> Finding:
    """Return the finding with a ratio in place of the difference; the margin is one of the mean."""
    assert finding.margin is not None
    each = np.log(a) - np.log(b)
    logs, margin = paired.difference(each), 1 + finding.margin / float((a.mean() + b.mean()) / 2)
    value, low, high = np.exp([logs.value, logs.low, logs.high]).tolist()
    ratio = Ratio(value, low, high, margin)
    return replace(finding, p=paired.paired_p(each), ratio=ratio)


def _of_runs(one: Score, other: Score, between: float | None) -> list[Component]:
    """Return what training runs add to the variance of both sides: by the spread that is known
    from elsewhere, which was measured on more runs, or else by their own."""
    if between is not None:
        return [of_known_runs(between, max(1, len(score.runs))) for score in (one, other)]
    if min(len(one.runs), len(other.runs)) > 1:
        return [of_mean(np.array(score.runs)) for score in (one, other)]
    return []


def _method(pairing: Pairing, is_exact: bool, has_runs: bool) -> str:
    test, over = "exact sign-flip" if is_exact else "paired t", len(pairing.prompts)
    of = {"mean": "", "log-ratio": " of log-ratios", "jackknife": " of pseudo-values"}
    words = f"{test}{of[pairing.kind]} over {over} prompts{' and runs' if has_runs else ''}"
    least = paired.least_p(over)
    return f"{words}, whose p is {least:g} at least" if is_exact and least > ALPHA else words
