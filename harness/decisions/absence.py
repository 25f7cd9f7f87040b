"""What a gate says where something is not there, or carries a flag: nothing passes by absence.

A metric that the baseline has and the candidate lacks hides whatever got worse in it. A policy
can name it in `allow_missing`; the report then says so.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from harness.decisions.check import Check, Verdict, sided, unlicensed
from harness.decisions.compare import Comparison
from harness.decisions.contender import Contender
from harness.decisions.finding import Finding
from harness.errors import UsageError
from harness.pipeline.results.read import headline
from harness.records import FLAGGING, column_of

ASIDE = {*FLAGGING, "probe"}
"""Families that say how good a recipe is only by their flags, or not at all."""


def refuse_no_images(*sides: Contender) -> None:
    """Refuse a result that expects no image: every count and every share of it holds."""
    for side in sides:
        if side.result.images.expected < 1:
            raise UsageError(
                f"{side.result.recipe} was judged on 0 images", hint="judge it again, on some"
            )


def refuse_unknown(names: Sequence[str], comparison: Comparison) -> None:
    """Refuse to allow that a metric is missing which no side has ever had."""
    columns = [column_of(each.metric) for each in comparison.metrics]
    for name in names:
        if name not in columns:
            raise UsageError(f"no metric is named {name}", hint=f"there are {', '.join(columns)}")


def lost(comparison: Comparison, baseline: Contender) -> list[Finding]:
    """Return the metrics that may judge by the baseline (B), which has a value of them, and that
    cannot be compared or may not judge by the candidate."""
    may = {
        column_of(score.metric)
        for score in baseline.result.scores
        if score.value is not None and score.may_judge
    }
    return [
        each
        for each in comparison.metrics
        if column_of(each.metric) in may and (each.delta is None or each.licence is not None)
    ]


def missing(finding: Finding) -> Check:
    """Return a check that cannot tell: the baseline has a value, and there is no comparison."""
    column = column_of(finding.metric)
    reason = f"cannot be compared ({sided(finding.reason)}); allow_missing: [{column}] lets it pass"
    return Check("missing", finding.metric, reason=reason)


def unlicensed_families(comparison: Comparison) -> list[Check]:
    """Return a check that cannot tell for every family of which no metric may judge here."""
    heard = {each.family for each in comparison.metrics if each.declared}
    silent: dict[str, Check] = {}
    for each in sorted(comparison.metrics, key=lambda each: headline(each.metric)):
        if each.licence is not None and each.b is not None and each.family not in heard | ASIDE:
            beside = ", and no other metric of its family may"
            check = unlicensed("missing", each.metric, each.licence, beside)
            silent.setdefault(each.family, check)
    return list(silent.values())


def told(finding: Finding) -> str:
    """Return a metric that is not judged, with the reason."""
    return f"{finding.metric} ({sided(finding.reason)})"


def left_out(comparison: Comparison) -> tuple[str, ...]:
    """Return what would have led its family and of which the baseline has no value either."""
    led: set[str] = set()
    out = []
    for each in sorted(comparison.metrics, key=lambda each: headline(each.metric)):
        if each.delta is None and each.b is None and each.family not in led:
            out.append(told(each))
        elif each.declared:
            led.add(each.family)
    return tuple(out)


def images_there(candidate: Contender, baseline: Contender, most: int) -> Check:
    """Return a check that the counts of images add up, that both sides were judged on equally
    many, and that no more than `most` are missing, failed or black."""
    mine, its = candidate.result.images, baseline.result.images
    gone = mine.expected - mine.scored + mine.black
    what = f"{gone} of {mine.expected} images are missing, failed or black; {most} may be"
    odd = mine.oddity
    each, other = (_expected_each(side) for side in (candidate, baseline))
    if odd is not None:
        return Check("images", verdict="fail", reason=f"the counts do not add up: {odd}")
    if each != other:
        counts = f"a training was judged on {each:g} images, one of the baseline on {other:g}"
        return Check("images", verdict="fail", reason=counts)
    before = its.expected - its.scored + its.black
    if before:
        what += f" (of the baseline, {before} are)"
    return Check("images", verdict="fail" if gone > most else "pass", reason=what)


def _expected_each(side: Contender) -> float:
    """Return how many images were expected of each training."""
    return side.result.images.expected / max(1, len(side.result.training_seeds))


def no_new_flags(
    candidate: Contender, baseline: Contender, comparison: Comparison, allowed: Collection[str]
) -> Check:
    """Return a failure for a flag that the baseline does not carry in the same metric.

    What both carry is compared by value, in a check of its own. Where the candidate lacks a metric
    that looks for copies or broken images, whether it carries a flag is not known.
    """
    flags, known = candidate.flagged, baseline.flagged
    new = [f"{column} {flag}" for column, flag in flags.items() if column not in known]
    if new:
        return Check("flags", verdict="fail", reason="; ".join(new))
    looking = [each for each in comparison.metrics if each.family in FLAGGING]
    blind = [each for each in looking if each.a is None or each.licence is not None]
    if blind:
        had = {column_of(each.metric) for each in blind if each.b is not None}
        verdict: Verdict = "under-powered" if had - set(allowed) else "pass"
        names = " and ".join(each.metric for each in blind)
        return Check("flags", verdict=verdict, reason=f"not known without {names}")
    reason = f"the baseline carries them too: {', '.join(flags)}" if flags else "there are none"
    return Check("flags", verdict="pass", reason=reason)
