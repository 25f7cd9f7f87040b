"""Two results → what is better, what is worse, and what cannot be told; pure but for `read`.

A difference is always A minus B, and "better" means that A is better than B. Every metric is judged
on the prompts that both results have; the p-values of the declared metrics are adjusted together.
How that reads in words is the report's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from harness.decisions import paired
from harness.decisions.paired import ALPHA, Part, Tally
from harness.errors import UsageError
from harness.interfaces import Array, FeatureSet
from harness.metrics.intervals import clusters
from harness.pipeline.results.file import ResultFile
from harness.pipeline.results.read import headline
from harness.records import Result, Score, column_of

View = Callable[[], tuple[FeatureSet, Callable[[FeatureSet], float]]]
"""Loads a result's features for one metric, and what the metric says of such features."""
ByPrompt = Mapping[str, float]
ByImage = Mapping[tuple[str, int], float]
"""By prompt and seed."""
Verdict = Literal["better", "worse", "no-difference", "under-powered"]
Claim = Literal["file", "recipe"]
Kind = Literal["mean", "log-ratio", "jackknife"]
"""What a prompt's value is: the mean of its images; its own diversity, compared by ratio; or a
pseudo-value, which only serves the standard error."""


@dataclass(frozen=True)
class Contender:
    """One result with what stands beside its file, by metric's column."""

    result: Result
    prompts: Mapping[str, ByPrompt]
    """Jackknife pseudo-values."""
    samples: Mapping[str, ByImage]
    """Values of images, for metrics that are their mean."""
    views: Mapping[str, View] = field(default_factory=dict)
    """For metrics whose images are exchanged, where features are at hand."""

    @property
    def flags(self) -> tuple[str, ...]:
        return tuple(score.flag for score in self.result.scores if score.flag is not None)

    def score(self, column: str) -> Score | None:
        return next((each for each in self.result.scores if column_of(each.metric) == column), None)


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
    """The smallest true effect that the test sees four times in five."""
    margin: float | None = None
    ratio: Ratio | None = None
    """What is tested in place of the difference, where prompts differ in how much there is."""
    needed: int | None = None
    """How many prompts would see the margin four times in five; None where a million do not."""
    prompts: int = 0
    tally: Tally = field(default_factory=Tally)
    groups: Mapping[str, Tally] = field(default_factory=dict)
    method: str = ""
    claim: Claim = "file"
    declared: bool = False
    verdict: Verdict = "under-powered"
    reason: str | None = None
    """Why nothing can be said."""


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
    forced: bool = False
    unlike: tuple[str, ...] = ()
    """Where the protocols differ, if they do."""


@dataclass(frozen=True)
class Pairing:
    """One metric of two results, a value a prompt of either."""

    prompts: tuple[str, ...]
    a: Array
    b: Array
    kind: Kind


def read(file: Path) -> Contender:
    """Return a result file with the tables beside it; samples of several trainings are averaged."""
    own = ResultFile(file)
    pseudo = own.pseudo_values().own
    keys = ["metric", "prompt_id", "seed"]
    table = own.table("samples").group_by(keys, use_threads=False)
    samples: dict[str, dict[tuple[str, int], float]] = {}
    for row in table.aggregate([("value", "mean")]).to_pylist():
        place = row["prompt_id"], row["seed"]
        samples.setdefault(row["metric"], {})[place] = row["value_mean"]
    return Contender(own.result, pseudo, samples)


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
    found = _adjusted([_declared(_findings(a, b, rules), rules) for b in others])
    return [_comparison(a, *each) for each in zip(others, found, unlike, strict=True)]


def unlike_parts(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[str, ...]:
    """Return where two protocols differ, such as `sampler.steps`."""
    found: list[str] = []
    for name in sorted({*a, *b}):
        one, other = a.get(name), b.get(name)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            found += [f"{name}.{part}" for part in unlike_parts(one, other)]
        elif one != other:
            found.append(name)
    return tuple(found)


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
    return [_finding(column, a, b, rules) for column in columns]


def _finding(column: str, a: Contender, b: Contender, rules: Rules) -> Finding:
    one, other = a.score(column), b.score(column)
    either = one or other
    assert either is not None
    blank = Finding(
        either.metric,
        either.family or column,
        either.higher_is_better,
        one.value if one else None,
        other.value if other else None,
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
    found = _measured(blank, pairing, one, other, rules)
    if rules.draws and found.claim == "file" and column in a.views and column in b.views:
        return _exchanged(found, a.views[column], b.views[column], rules.draws)
    return found


def _exchanged(finding: Finding, one: View, other: View, draws: int) -> Finding:
    """Return the finding with the p of exchanging images of the same prompts and seeds."""
    (a, value_of), (b, _) = one(), other()
    at = {key: row for row, key in enumerate(zip(b.prompt_ids, b.seeds, strict=True))}
    keys = [
        (row, at[key])
        for row, key in enumerate(zip(a.prompt_ids, a.seeds, strict=True))
        if key in at
    ]
    rows, others = np.array(keys, np.int64).reshape(-1, 2).T
    a, b = a.take(rows), b.take(others)
    p = paired.swap_p(
        a.images,
        b.images,
        clusters(a.prompt_ids),
        lambda images: value_of(replace(a, images=images)),
        draws,
    )
    return replace(finding, p=p, method=f"{draws} exchanges of images within prompts")


def pair(column: str, a: Contender, b: Contender) -> Pairing:
    """Return what both have: images' values at the same prompts and seeds, or pseudo-values."""
    one, other = a.samples.get(column), b.samples.get(column)
    if one and other:
        common = sorted(one.keys() & other.keys())
        return _aligned(_means(one, common), _means(other, common), "mean")
    ratios = _are_own(column, a) and _are_own(column, b)
    own, others = a.prompts.get(column, {}), b.prompts.get(column, {})
    return _aligned(own, others, "log-ratio" if ratios else "jackknife")


def _means(values: ByImage, keys: Sequence[tuple[str, int]]) -> ByPrompt:
    """Return each prompt's mean over its seeds."""
    by_prompt: dict[str, list[float]] = {}
    for key in keys:
        by_prompt.setdefault(key[0], []).append(values[key])
    return {prompt: float(np.mean(each)) for prompt, each in by_prompt.items()}


def _aligned(one: ByPrompt, other: ByPrompt, kind: Kind) -> Pairing:
    common = sorted(one.keys() & other.keys())
    prompts = tuple(each for each in common if np.isfinite(one[each] + other[each]))
    a, b = (np.array([side[prompt] for prompt in prompts]) for side in (one, other))
    return Pairing(prompts, a, b, kind)


def _are_own(column: str, contender: Contender) -> bool:
    """Return whether a diversity is the mean over prompts of each one's own, all above zero.

    Prompts leave room for diversity in very unlike measure: ratios tell more than differences.
    """
    score, values = contender.score(column), [*contender.prompts.get(column, {}).values()]
    if score is None or score.value is None or score.family != "diversity" or not values:
        return False
    return min(values) > 0 and bool(np.isclose(np.mean(values), score.value, rtol=1e-9))


def _measured(blank: Finding, pairing: Pairing, one: Score, other: Score, rules: Rules) -> Finding:
    assert one.value is not None
    assert other.value is not None
    column, a, b = column_of(blank.metric), pairing.a, pairing.b
    each, runs = a - b, _of_runs(one, other, rules.between.get(column))
    centre = one.value - other.value if pairing.kind == "jackknife" else float(each.mean())
    found = paired.estimate(centre, [paired.of_prompts(each), *runs])
    is_exact = not runs and pairing.kind != "jackknife" and len(each) < paired.EXACT_BELOW
    margin = rules.margins.get(column, paired.usual_margin(a, b))
    better, worse = (a, b) if blank.higher_is_better else (b, a)
    groups = [rules.groups.get(prompt, ()) for prompt in pairing.prompts]
    tallies = paired.tallies(better, worse, groups)
    measured = replace(
        blank,
        delta=found.value,
        low=found.low,
        high=found.high,
        p=paired.sign_flip(each) if is_exact else found.p,
        mde=paired.detectable(found.error, found.freedom),
        margin=margin,
        needed=paired.prompts_needed(margin, float(each.std(ddof=1)), runs),
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
    found, margin = paired.difference(each), 1 + finding.margin / float((a.mean() + b.mean()) / 2)
    value, low, high = np.exp([found.value, found.low, found.high]).tolist()
    ratio = Ratio(value, low, high, margin)
    return replace(finding, p=paired.paired_p(each), ratio=ratio)


def _of_runs(one: Score, other: Score, between: float | None) -> list[Part]:
    """Return what training runs add to the variance of both sides: by the spread that is known
    from elsewhere, which was measured on more runs, or else by their own."""
    if between is not None:
        return [paired.of_known_runs(between, max(1, len(score.runs))) for score in (one, other)]
    if min(len(one.runs), len(other.runs)) > 1:
        return [paired.of_runs(np.array(score.runs)) for score in (one, other)]
    return []


def _method(pairing: Pairing, is_exact: bool, has_runs: bool) -> str:
    test, over = "exact sign-flip" if is_exact else "paired t", len(pairing.prompts)
    of = {"mean": "", "log-ratio": " of log-ratios", "jackknife": " of pseudo-values"}
    words = f"{test}{of[pairing.kind]} over {over} prompts{' and runs' if has_runs else ''}"
    least = paired.least_p(over)
    return f"{words}, whose p is {least:g} at least" if is_exact and least > ALPHA else words


def _declared(findings: Sequence[Finding], rules: Rules) -> list[Finding]:
    """Return the findings, those that decide marked: what boards rank by leads its family.

    Probes say what an adapter does, not how well: they decide where they are named.
    """
    first: dict[str, str] = {}
    for each in sorted(findings, key=lambda each: headline(each.metric)):
        if each.delta is not None and each.family != "probe":
            first.setdefault(each.family, column_of(each.metric))
    names = rules.declared or tuple(first.values())
    return [replace(each, declared=column_of(each.metric) in names) for each in findings]


def _adjusted(found: Sequence[Sequence[Finding]]) -> list[tuple[Finding, ...]]:
    """Return findings with verdicts, the declared ones' p adjusted over all comparisons."""
    declared = [each for findings in found for each in findings if each.declared]
    adjusted = iter(paired.holm([each.p for each in declared if each.p is not None]))
    return [
        tuple(
            _judged(each, next(adjusted) if each.declared else each.p)
            if each.p is not None
            else each
            for each in findings
        )
        for findings in found
    ]


def _judged(finding: Finding, p: float) -> Finding:
    """Return the finding with its verdict; a large p alone is no evidence of no difference."""
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
    decisive = min(declared, key=lambda each: headline(each.metric), default=None)
    verdict: Verdict = decisive.verdict if decisive else "under-powered"
    if bool(a.flags) != bool(b.flags):
        verdict, decisive = "worse" if a.flags else "better", None
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
        bool(unlike),
        unlike,
    )


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Return a document whose numbers are all finite; what is not known is None."""
    return asdict(comparison)
