"""Two results → what is better, what is worse, and what cannot be told; pure but for `read`.

A difference is always A minus B, and "better" means that A is better than B. Every metric is judged
on the prompts that both results have; the p-values of the declared metrics are adjusted together.
How that reads in words is the report's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from harness.decisions.contender import Contender
from harness.decisions.finding import Claim, Finding, Rules, Verdict, finding_of
from harness.errors import UsageError
from harness.metrics.statistics.intervals import ALPHA
from harness.metrics.statistics.multiple import holm
from harness.pipeline.results.read import headline
from harness.records import Result, column_of


@dataclass(frozen=True)
class Comparison:
    """What A is beside B."""

    a: str
    b: str
    signature: str
    """That of A, and of B unless the comparison is forced."""
    verdict: Verdict
    ranked_by: str | None
    """The metric that decides; None where flags did, or nothing could be compared."""
    claim: Claim
    """What it holds for: these files, or any training of the recipes."""
    metrics: tuple[Finding, ...]
    flags_a: tuple[str, ...] = ()
    flags_b: tuple[str, ...] = ()
    flags_unknown: tuple[str, ...] = ()
    """Metrics that carry a flag on one side, and have no value on the side without flags."""
    forced: bool = False
    unlike: tuple[str, ...] = ()
    """Where the protocols differ, if they do."""


def compare(a: Contender, b: Contender, rules: Rules | None = None) -> Comparison:
    """Return what A is beside B."""
    return compare_all([a, b], rules)[0]


def compare_all(contenders: Sequence[Contender], rules: Rules | None = None) -> list[Comparison]:
    """Return the first contender beside every other, p-values adjusted over all of them."""
    rules = rules or Rules()
    if len(contenders) < 2:
        raise UsageError("a comparison takes two results", hint="name another")
    a, *others = contenders
    unlike = [_unlike(a.result, b.result, rules.force) for b in others]
    adjusted = _adjusted([_declared(_findings(a, b, rules), rules) for b in others])
    return [_comparison(a, *each) for each in zip(others, adjusted, unlike, strict=True)]


def unlike_parts(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[str, ...]:
    """Return where two protocols differ, such as `sampler.steps`."""
    differing: list[str] = []
    for name in sorted({*a, *b}):
        one, other = a.get(name), b.get(name)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            differing += [f"{name}.{part}" for part in unlike_parts(one, other)]
        elif one != other:
            differing.append(name)
    return tuple(differing)


def _unlike(a: Result, b: Result, force: bool) -> tuple[str, ...]:
    if a.signature == b.signature:
        return ()
    parts = unlike_parts(a.protocol, b.protocol) or ("signature",)
    if not force:
        raise UsageError(
            f"{a.recipe} and {b.recipe} differ in {', '.join(parts)}",
            hint="judge both by one benchmark, or force it",
        )
    return parts


def _findings(a: Contender, b: Contender, rules: Rules) -> list[Finding]:
    labels = [score.metric for side in (a, b) for score in side.result.scores]
    columns = list(dict.fromkeys(column_of(label) for label in labels))
    for name in (*rules.declared, *rules.margins, *rules.between):
        if name not in columns:
            raise UsageError(f"no metric is named {name}", hint=f"there are {', '.join(columns)}")
    return [finding_of(column, a, b, rules) for column in columns]


def _declared(findings: Sequence[Finding], rules: Rules) -> list[Finding]:
    """Return the findings, those that decide marked: what boards rank by leads its family.

    Probes say what an adapter does, not how well, and broken pictures decide by their flag: one of
    a hundred comes and goes by chance. Both decide where they are named. A metric that may not
    judge decides nothing.
    """
    first: dict[str, str] = {}
    for each in sorted(findings, key=lambda each: headline(each.metric)):
        if (
            each.delta is not None
            and each.family not in ("probe", "broken")
            and each.licence is None
        ):
            first.setdefault(each.family, column_of(each.metric))
    names = rules.declared or tuple(first.values())
    return [replace(each, declared=column_of(each.metric) in names) for each in findings]


def _adjusted(families: Sequence[Sequence[Finding]]) -> list[tuple[Finding, ...]]:
    """Return findings with verdicts, the declared ones' p adjusted over all comparisons."""
    declared = [each for findings in families for each in findings if each.declared]
    adjusted = iter(holm([each.p for each in declared if each.p is not None]))
    return [
        tuple(
            _judged(each, next(adjusted) if each.declared else each.p)
            if each.p is not None
            else each
            for each in findings
        )
        for findings in families
    ]


def _judged(finding: Finding, p: float) -> Finding:
    """Return the finding with its verdict; a large p alone is no evidence of no difference.

    What a metric says that may not judge here is no evidence at all.
    """
    if finding.licence is not None:
        return replace(finding, reason=f"it may not judge: {finding.licence}")
    assert finding.delta is not None
    assert finding.low is not None
    assert finding.high is not None
    assert finding.margin is not None
    above, within = finding.delta > 0, max(-finding.low, finding.high) <= finding.margin
    if (ratio := finding.ratio) is not None:
        above, within = ratio.value > 1, max(1 / ratio.low, ratio.high) <= ratio.margin
    verdict: Verdict = "no-difference" if within else "under-powered"
    if p < ALPHA:
        verdict = "better" if above == finding.higher_is_better else "worse"
    return replace(finding, p_adjusted=p, verdict=verdict)


def _comparison(
    a: Contender, b: Contender, findings: tuple[Finding, ...], unlike: tuple[str, ...]
) -> Comparison:
    """Return the verdict: by flags, which no good value outweighs, or by what boards rank by."""
    declared = [each for each in findings if each.declared and each.delta is not None]
    decisive = _worst_flagged(a, b, findings) or min(
        declared, key=lambda each: headline(each.metric), default=None
    )
    verdict: Verdict = decisive.verdict if decisive else "under-powered"
    unknown = _unknown_flags(a, b)
    if bool(a.flags) != bool(b.flags):
        verdict, decisive = "worse" if a.flags else "better", None
        verdict = "under-powered" if unknown else verdict
    return Comparison(
        a.result.recipe,
        b.result.recipe,
        a.result.signature,
        verdict,
        decisive.metric if decisive else None,
        "recipe" if {each.claim for each in declared} == {"recipe"} else "file",
        findings,
        a.flags,
        b.flags,
        unknown,
        bool(unlike),
        unlike,
    )


def _worst_flagged(a: Contender, b: Contender, findings: Sequence[Finding]) -> Finding | None:
    """Return the flagged metric that tells two sides apart which both carry flags, if one does
    and no other contradicts it."""
    if not a.flagged or not b.flagged:
        return None
    flagged = [each for each in findings if column_of(each.metric) in {**a.flagged, **b.flagged}]
    sure = [each for each in flagged if each.verdict in ("better", "worse")]
    return sure[0] if len({each.verdict for each in sure}) == 1 else None


def _unknown_flags(a: Contender, b: Contender) -> tuple[str, ...]:
    """Return the metrics that flag one side and that a side without flags has no value of."""
    if bool(a.flags) == bool(b.flags):
        return ()
    flagged, clean = (a, b) if a.flags else (b, a)
    scores = {column: clean.score(column) for column in flagged.flagged}
    return tuple(name for name, score in scores.items() if score is None or score.value is None)


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Return a document whose numbers are all finite; what is not known is None."""
    return asdict(comparison)
