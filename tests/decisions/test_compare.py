"""Comparisons: what is said of two results, and that it is said as often as it is true."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.decisions.compare import Comparison, as_json, compare, compare_all
from harness.decisions.contender import Contender, read
from harness.decisions.finding import Finding, Rules
from harness.errors import UsageError
from harness.interfaces import Array
from harness.metrics.statistics import paired, power
from harness.metrics.statistics.intervals import ALPHA
from harness.metrics.statistics.multiple import holm
from harness.metrics.statistics.paired import Tally
from harness.records import Accounting, Result, Score
from harness.report.comparison import (
    comparison_document,
    comparison_markdown,
    comparisons_markdown,
    print_comparison,
    print_comparisons,
    sentence,
)
from harness.report.terminal import Terminal

SEEDS = (1, 2)
PROTOCOL = {"benchmark": "pocket-v1", "seeds": list(SEEDS), "sampler": {"steps": 20, "size": 64}}
FAMILIES = {
    "memorization": "copying",
    "kid": "fidelity",
    "fid": "fidelity",
    "clip-score": "prompt",
    "tag-recall": "prompt",
    "aesthetic": "quality",
    "within-prompt": "diversity",
    "vendi": "diversity",
}
LOWER = {"kid", "fid", "memorization"}


def score(label: str, value: float | None, **more: Any) -> Score:
    column = label.split("@")[0]
    low, high = (None, None) if value is None else (value - 1, value + 1)
    return Score(
        metric=label,
        value=value,
        low=low,
        high=high,
        n=8,
        family=FAMILIES[column],
        higher_is_better=column not in LOWER,
        **more,
    )


def result(name: str, scores: Sequence[Score], signature: str = "s", **more: Any) -> Result:
    return Result(
        recipe=name,
        benchmark="pocket-v1",
        signature=signature,
        keys={},
        scores=tuple(scores),
        images=Accounting(expected=8, generated=8, failed=0, scored=8),
        **{"protocol": PROTOCOL, **more},
    )


def by_prompt(values: Array) -> dict[str, float]:
    return {f"p{at:03d}": float(value) for at, value in enumerate(values)}


def images(values: Array, noise: float = 0.0) -> dict[tuple[str, int], float]:
    """Return two images a prompt whose mean is the prompt's value."""
    return {
        (prompt, seed): value + sign * noise
        for prompt, value in by_prompt(values).items()
        for seed, sign in zip(SEEDS, (1, -1), strict=True)
    }


def contender(name: str, means: Mapping[str, Array], **pseudo: Array) -> Contender:
    """Return a result with metrics that are means over images, and others by pseudo-values."""
    others = {label.replace("_", "-"): values for label, values in pseudo.items()}
    scores = [score(label, float(values.mean())) for label, values in {**means, **others}.items()]
    prompts = {label: by_prompt(values) for label, values in {**means, **others}.items()}
    return Contender(
        result(name, scores), prompts, {label: images(values) for label, values in means.items()}
    )


def with_scores(side: Contender, **changes: dict[str, Any]) -> Contender:
    """Return a contender with some of its scores' fields changed, by metric."""
    scores = [
        each.model_copy(update=changes.get(each.metric.replace("-", "_"), {}))
        for each in side.result.scores
    ]
    return with_result(side, scores=tuple(scores))


def with_result(side: Contender, **changes: Any) -> Contender:
    return replace(side, result=side.result.model_copy(update=changes))


def finding(found: Comparison, metric: str) -> Finding:
    return next(each for each in found.metrics if each.metric == metric)


def normal(seed: int, count: int = 32) -> Array:
    return np.random.default_rng(seed).normal(size=count)


BASE = normal(0)


def mean_of(values: Array, name: str = "ink") -> Contender:
    return contender(name, {"clip-score": values})


def only(a: Array, b: Array, rules: Rules | None = None) -> Finding:
    return compare(mean_of(a), mean_of(b, "oil"), rules).metrics[0]


def test_a_mean_is_judged_by_the_paired_t_test_over_prompts() -> None:
    a, b = BASE + 0.2 + 0.3 * normal(1), BASE
    found, theirs = only(a, b), stats.ttest_rel(a, b)
    interval = theirs.confidence_interval(0.95)
    assert found.delta == pytest.approx((a - b).mean())
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.p == found.p_adjusted == pytest.approx(theirs.pvalue)
    assert (found.verdict, found.method) == ("better", "paired t over 32 prompts")


def test_few_prompts_are_judged_exactly() -> None:
    a, b = BASE[:16] + 0.2 + 0.3 * normal(1, 16), BASE[:16]
    found = only(a, b)
    assert found.p == paired.sign_flip(a - b)
    assert found.method == "exact sign-flip over 16 prompts"


def test_a_test_that_cannot_alarm_says_so() -> None:
    found = only(BASE[:5] + 9 + 0.1 * normal(1, 5), BASE[:5])
    assert found.p == 0.0625
    assert found.verdict == "under-powered"
    assert found.method == "exact sign-flip over 5 prompts, whose p is 0.0625 at least"


def test_images_of_one_prompt_count_as_one() -> None:
    a, b = mean_of(BASE + 0.1), mean_of(BASE)
    noisy = replace(a, samples={"clip-score": images(BASE + 0.1, noise=5)})
    assert compare(noisy, b).metrics[0].p == pytest.approx(compare(a, b).metrics[0].p)


def test_only_images_of_the_same_prompt_and_seed_are_compared() -> None:
    a, b = mean_of(BASE + 0.1), mean_of(BASE)
    lost = {key: value for key, value in a.samples["clip-score"].items() if key != ("p000", 1)}
    lost["p000", 2] = 7.0
    found = compare(replace(a, samples={"clip-score": lost}), b).metrics[0]
    assert found.prompts == 32
    assert found.delta == pytest.approx((31 * 0.1 + 7.0 - BASE[0]) / 32)


def test_other_metrics_are_centred_on_their_values_and_spread_as_their_pseudo_values() -> None:
    one, other = normal(2) + 1, normal(2) + 0.3 * normal(3)
    a, b = contender("ink", {}, kid=one), contender("oil", {}, kid=other)
    found = compare(with_scores(a, kid={"value": 2.5}), b).metrics[0]
    assert found.delta == pytest.approx(2.5 - other.mean())
    error = stats.sem(one - other)
    assert found.high == pytest.approx(found.delta + error * stats.t.isf(0.025, 31))
    assert found.method == "paired t of pseudo-values over 32 prompts"
    assert found.verdict == "worse", "a distance that grows is worse"


def test_few_pseudo_values_are_no_exact_test() -> None:
    a, b = contender("ink", {}, kid=normal(2, 8)), contender("oil", {}, kid=normal(3, 8))
    assert compare(a, b).metrics[0].method == "paired t of pseudo-values over 8 prompts"


def test_diversity_within_prompts_is_compared_by_ratio() -> None:
    other = np.exp(normal(4))
    one = 0.8 * other * np.exp(0.1 * normal(5))
    a, b = contender("ink", {}, within_prompt=one), contender("oil", {}, within_prompt=other)
    found = compare(a, b).metrics[0]
    assert found.method == "paired t of log-ratios over 32 prompts"
    assert found.p == pytest.approx(stats.ttest_rel(np.log(one), np.log(other)).pvalue)
    assert found.delta == pytest.approx(one.mean() - other.mean())
    assert found.ratio is not None
    assert found.ratio.value == pytest.approx(stats.gmean(one) / stats.gmean(other))
    assert found.ratio.low < found.ratio.value < found.ratio.high < 1
    assert found.verdict == "worse"
    assert compare(b, a).metrics[0].ratio.value == pytest.approx(1 / found.ratio.value)  # type: ignore[union-attr]


@pytest.mark.parametrize("values", [np.exp(normal(4)) - 0.5, np.exp(normal(4))])
def test_diversity_of_pseudo_values_or_with_none_at_all_is_no_ratio(values: Array) -> None:
    a, b = contender("ink", {}, vendi=values), contender("oil", {}, vendi=np.exp(normal(5)))
    value = None if values.min() < 0 else 30.0
    found = compare(with_scores(a, vendi={"value": value or float(values.mean())}), b).metrics[0]
    assert found.method == "paired t of pseudo-values over 32 prompts"


def test_no_difference_takes_an_interval_within_the_margin() -> None:
    a, b = BASE + 0.02 * normal(1), BASE
    found = only(a, b)
    assert found.margin == pytest.approx(paired.usual_margin(a, b))
    assert found.verdict == "no-difference"
    assert only(a, b, Rules(margins={"clip-score": 0.001})).verdict == "under-powered"


def test_what_is_under_powered_says_how_many_prompts_it_would_take() -> None:
    a, b = normal(1), normal(2)
    found = only(a, b, Rules(margins={"clip-score": 0.1}))
    assert found.verdict == "under-powered"
    assert found.needed == power.prompts_needed(0.1, float((a - b).std(ddof=1)))
    assert found.mde == pytest.approx(power.detectable(float(stats.sem(a - b)), 31))


def test_prompts_are_tallied_in_the_direction_of_better_and_by_group() -> None:
    a, b = (
        contender("ink", {}, kid=np.array([1.0, 5, 3])),
        contender("oil", {}, kid=np.array([2.0, 4, 3])),
    )
    groups = {"p000": ("tags",), "p001": ("tags", "hats")}
    found = compare(a, b, Rules(groups=groups)).metrics[0]
    assert found.tally == Tally(wins=1, ties=1, losses=1)
    assert found.groups == {"hats": Tally(losses=1), "tags": Tally(wins=1, losses=1)}


def test_the_declared_family_is_what_boards_rank_by_in_each_family() -> None:
    means = {"tag-recall": BASE, "clip-score": BASE, "aesthetic": BASE}
    a = contender("ink", means, fid=BASE, kid=BASE)
    found = compare(a, a)
    assert {each.metric for each in found.metrics if each.declared} == {
        "kid",
        "clip-score",
        "aesthetic",
    }
    assert found.ranked_by == "kid"


def test_only_declared_metrics_are_adjusted_and_decide() -> None:
    shifted = {
        "clip-score": BASE + 0.12 * normal(1) + 0.06,
        "aesthetic": BASE + 0.1 * normal(3),
        "tag-recall": BASE + 0.12 * normal(1) + 0.06,
    }
    a, b = contender("ink", shifted), contender("oil", dict.fromkeys(shifted, BASE))
    found = compare(a, b)
    declared, alone = finding(found, "clip-score"), finding(found, "tag-recall")
    assert declared.p == alone.p == alone.p_adjusted
    assert declared.p_adjusted == holm([declared.p or 0, finding(found, "aesthetic").p or 0])[0]
    chosen = compare(a, b, Rules(declared=("aesthetic",)))
    assert chosen.ranked_by == "aesthetic"
    assert finding(chosen, "aesthetic").p_adjusted == finding(chosen, "aesthetic").p


def test_a_metric_without_a_value_or_prompts_has_a_reason_and_is_not_declared() -> None:
    a = contender("ink", {"clip-score": BASE}, kid=BASE, fid=BASE)
    b = with_scores(a, kid={"value": None, "reason": "no reference"})
    found = compare(a, replace(b, prompts={"fid": {}}))
    assert finding(found, "kid").reason == "B: no reference"
    assert finding(found, "fid").reason == "needs 2 common prompts, has 0"
    assert [each.metric for each in found.metrics if each.declared] == ["clip-score"]
    assert "kid cannot be compared (B: no reference)" in sentence(found)


def test_values_that_depend_on_n_are_not_compared_at_unlike_n() -> None:
    a = contender("ink", {}, fid=BASE)
    one, other = (with_scores(a, fid={"metric": f"fid@n={n}"}) for n in (96, 90))
    found = compare(one, other)
    assert found.metrics[0].reason == "B has fid@n=90: the value depends on N"
    assert (found.verdict, found.ranked_by) == ("under-powered", None)
    assert compare(one, one).ranked_by == "fid@n=96"


def test_copies_do_not_win() -> None:
    a, b = mean_of(BASE + 1 + 0.1 * normal(1)), mean_of(BASE, "oil")
    copied = with_scores(a, clip_score={"flag": "copies training pictures"})
    assert compare(a, b).verdict == "better"
    assert compare(copied, b).verdict == "worse"
    assert compare(b, copied).verdict == "better"
    assert sentence(compare(copied, b)).startswith(
        "ink is worse than oil: ink copies training pictures; clip-score is better ("
    )
    both = compare(copied, with_scores(b, clip_score={"flag": "copies training pictures"}))
    assert both.verdict == "better"
    assert "both carry flags" in sentence(both)


def test_a_side_whose_copies_nobody_looked_for_does_not_win_by_it() -> None:
    rates = 0.3 + 0.01 * BASE
    copies, oil = (
        contender(name, {"clip-score": BASE}, memorization=rates) for name in ("ink", "oil")
    )
    copies = with_scores(copies, memorization={"flag": "copies training pictures"})
    assert compare(copies, oil).verdict == "worse"
    blank = {"value": None, "low": None, "high": None, "reason": "no network"}
    blind = with_scores(oil, memorization=blank)
    for pair in ((copies, blind), (blind, copies)):
        found = compare(*pair)
        assert (found.verdict, found.flags_unknown) == ("under-powered", ("memorization",))
        assert "oil has no memorization to compare" in sentence(found)


def test_of_two_that_copy_the_one_that_copies_more_is_worse_whatever_else_it_does_better() -> None:
    flag = {"memorization": {"flag": "copies training pictures"}}
    more, less = (
        with_scores(
            contender(name, {}, kid=BASE + shift + 0.1 * normal(2), memorization=rates), **flag
        )
        for name, shift, rates in (("ink", -2, 0.9 + 0.01 * BASE), ("oil", 0, 0.3 + 0.01 * BASE))
    )
    found = compare(more, less)
    assert (found.verdict, found.ranked_by) == ("worse", "memorization")
    assert compare(less, more).verdict == "better"
    assert sentence(found).startswith("ink is worse than oil: memorization 0.898 against 0.298 (")


def test_trainings_on_both_sides_add_their_spread_and_hold_for_the_recipe() -> None:
    a, b = mean_of(BASE + 0.2 + 0.2 * normal(1)), mean_of(BASE, "oil")
    a, b = (
        with_scores(side, clip_score={"runs": (centre - 0.1, centre, centre + 0.1)})
        for side, centre in ((a, 0.2), (b, 0.0))
    )
    found = compare(a, b)
    each, finding = BASE + 0.2 + 0.2 * normal(1) - BASE, found.metrics[0]
    error = np.sqrt(each.var(ddof=1) / 32 + 2 * 0.01 / 3)
    reach = (finding.high or 0) - (finding.delta or 0)
    assert reach > stats.t.isf(0.025, 40) * error
    assert (found.claim, finding.method) == ("recipe", "paired t over 32 prompts and runs")
    assert "any training of both" in sentence(found)


def test_trainings_on_one_side_hold_for_files() -> None:
    a = with_scores(mean_of(BASE + 0.2), clip_score={"runs": (0.1, 0.3)})
    found = compare(a, mean_of(BASE))
    assert found.claim == "file"
    assert "for these files" in sentence(found)


def test_a_known_spread_of_trainings_lets_one_training_speak_for_the_recipe() -> None:
    a, b = BASE + 0.2 + 0.1 * normal(1), BASE
    alone, known = only(a, b), only(a, b, Rules(between={"clip-score": 0.2}))
    assert (alone.verdict, known.verdict) == ("better", "under-powered")
    assert known.claim == "recipe"


def test_unlike_signatures_are_refused_by_name() -> None:
    other = PROTOCOL | {"sampler": {"steps": 30, "size": 64}, "seeds": [1]}
    a, b = mean_of(BASE), with_result(mean_of(BASE, "oil"), signature="t", protocol=other)
    with pytest.raises(UsageError, match=r"ink and oil differ in sampler\.steps, seeds"):
        compare(a, b)
    forced = compare(a, b, Rules(force=True))
    assert forced.forced
    assert sentence(forced).startswith("FORCED, they differ in sampler.steps, seeds: ")
    assert not compare(a, a, Rules(force=True)).forced


@pytest.mark.parametrize("rules", [Rules(declared=("kld",)), Rules(margins={"kld": 1.0})])
def test_a_metric_that_is_not_there_is_refused(rules: Rules) -> None:
    with pytest.raises(UsageError, match="no metric is named kld"):
        compare(mean_of(BASE), mean_of(BASE), rules)


def test_several_are_adjusted_together_against_the_first() -> None:
    a, others = (
        mean_of(BASE),
        [mean_of(BASE + 0.1 * normal(seed), f"n{seed}") for seed in (1, 2, 3)],
    )
    together = compare_all([a, *others])
    alone = [compare(a, b).metrics[0].p or 0 for b in others]
    assert [each.metrics[0].p_adjusted for each in together] == holm(alone)
    assert [each.b for each in together] == ["n1", "n2", "n3"]
    with pytest.raises(UsageError):
        compare_all([a])


values = st.lists(st.floats(0.125, 100), min_size=2, max_size=8).map(np.array)
SHAPES = ("clip-score", "kid", "within-prompt")


def with_all(name: str, one: Array) -> Contender:
    return contender(name, {"clip-score": one}, kid=one[::-1], within_prompt=one)


@given(one=values)
@settings(max_examples=30, deadline=None)
def test_a_result_is_never_better_than_itself(one: Array) -> None:
    found = compare(with_all("ink", one), with_all("ink", one))
    assert found.verdict == "no-difference"
    assert {(each.delta, each.p_adjusted, each.verdict) for each in found.metrics} == {
        (0.0, 1.0, "no-difference")
    }


MIRROR = {"better": "worse", "worse": "better"}


@given(one=values, other=values)
@settings(max_examples=60, deadline=None)
def test_exchanging_a_and_b_turns_signs_and_verdicts_and_nothing_else(
    one: Array, other: Array
) -> None:
    count = min(len(one), len(other))
    a, b = with_all("ink", one[:count]), with_all("oil", other[:count])
    there, back = compare(a, b), compare(b, a)
    assert back.verdict == MIRROR.get(there.verdict, there.verdict)
    for found, turned in zip(there.metrics, back.metrics, strict=True):
        assert found.delta is not None
        assert found.low is not None
        assert found.high is not None
        assert (turned.delta, turned.low, turned.high) == (-found.delta, -found.high, -found.low)
        assert turned.verdict == MIRROR.get(found.verdict, found.verdict)
        assert (turned.p, turned.p_adjusted, turned.mde, turned.margin, turned.needed) == (
            found.p,
            found.p_adjusted,
            found.mde,
            found.margin,
            found.needed,
        )
        assert (turned.tally.wins, turned.tally.losses) == (found.tally.losses, found.tally.wins)


@given(one=values, other=values)
@settings(max_examples=30, deadline=None)
def test_a_document_is_json_whatever_the_values(one: Array, other: Array) -> None:
    count = min(len(one), len(other))
    found = compare(with_all("ink", one[:count]), with_all("oil", other[:count]))
    json.dumps(comparison_document(found), allow_nan=False)


def test_a_document_keeps_what_is_promised() -> None:
    a, b = with_all("ink", BASE + 0.5), with_all("oil", BASE)
    broken = with_scores(a, kid={"value": None, "reason": "no reference"})
    document = as_json(compare(broken, b))
    assert {"a", "b", "signature", "verdict", "metrics"} <= document.keys()
    promised = {"metric", "a", "b", "delta", "low", "high", "p_adjusted", "mde", "verdict"}
    for each in document["metrics"]:
        assert promised <= each.keys()
    json.dumps(document, allow_nan=False)


def test_a_greater_effect_is_never_less_sure() -> None:
    noise = 0.5 * normal(1)
    found = [only(BASE + noise + shift - noise.mean(), BASE) for shift in np.linspace(0, 1, 21)]
    p = [each.p_adjusted or 0.0 for each in found]
    assert p == sorted(p, reverse=True)
    verdicts = [each.verdict for each in found]
    assert verdicts == sorted(verdicts, key=["no-difference", "under-powered", "better"].index)
    assert set(verdicts) >= {"no-difference", "better"}


def drawn(rng: np.random.Generator, name: str, shared: Array, shift: float) -> Contender:
    """Return one of two results that share their prompts' difficulty, and nothing else."""
    own = shared + 0.3 * rng.normal(size=(3, len(shared))) + shift
    means = {"clip-score": own[0], "aesthetic": own[1]}
    return contender(name, means, kid=-own[2])


@pytest.mark.slow
@pytest.mark.parametrize("prompts", [12, 40])
def test_any_false_alarm_of_a_comparison_is_as_rare_as_it_should_be(prompts: int) -> None:
    rng, alarms = np.random.default_rng(prompts), []
    for _ in range(120):
        shared = rng.normal(size=prompts)
        found = compare(drawn(rng, "a", shared, 0.0), drawn(rng, "b", shared, 0.0))
        alarms.append(any(each.verdict in MIRROR for each in found.metrics))
    assert np.mean(alarms) <= 0.09


@pytest.mark.slow
@pytest.mark.parametrize("prompts", [12, 40])
def test_an_effect_of_the_size_that_is_promised_is_seen_by_every_metric(prompts: int) -> None:
    rng, seen = np.random.default_rng(prompts), []
    effect = power.detectable(0.3 * np.sqrt(2 / prompts), prompts - 1)
    for _ in range(80):
        shared = rng.normal(size=prompts)
        found = compare(drawn(rng, "a", shared, effect), drawn(rng, "b", shared, 0.0))
        seen.append([(each.p or 0.0) < ALPHA for each in found.metrics])
    assert np.mean(seen, axis=0) == pytest.approx(0.8, abs=0.12)


def write(folder: Path, side: Contender, samples: Mapping[str, list[Any]]) -> Path:
    file = folder / f"{side.result.recipe}.json"
    file.write_text(side.result.model_dump_json(), encoding="utf-8")
    rows = [
        (prompt, metric, value)
        for metric, of in side.prompts.items()
        for prompt, value in of.items()
    ]
    prompts = dict(
        zip(("prompt_id", "metric", "value"), map(list, zip(*rows, strict=True)), strict=True)
    )
    base = pa.array([None] * len(rows), pa.float64())
    pq.write_table(pa.table({**prompts, "base": base}), file.with_suffix(".prompts.parquet"))
    pq.write_table(pa.table(dict(samples)), file.with_suffix(".samples.parquet"))
    return file


def test_a_result_file_is_read_with_what_stands_beside_it(tmp_path: Path) -> None:
    side = mean_of(BASE[:2])
    table = {
        "prompt_id": ["p000", "p001", "p000"],
        "seed": [1, 1, 1],
        "metric": ["clip-score"] * 3,
        "value": [0.25, 0.5, 0.75],
        "training_seed": [1, 1, 2],
    }
    found = read(write(tmp_path, side, table))
    assert found.samples == {"clip-score": {("p000", 1): 0.5, ("p001", 1): 0.5}}
    assert found.prompts == side.prompts
    assert found.result == side.result


def test_a_result_file_alone_cannot_be_compared(tmp_path: Path) -> None:
    file = tmp_path / "ink.json"
    file.write_text(mean_of(BASE).result.model_dump_json(), encoding="utf-8")
    with pytest.raises(UsageError, match=r"ink\.prompts\.parquet is missing"):
        read(file)


def example() -> Comparison:
    means = {"clip-score": BASE + 60, "aesthetic": 0.02 * BASE + 0.7, "tag-recall": BASE}
    a = contender("ninja", means, kid=normal(6) + 6.1 - normal(6).mean())
    worse = {
        "clip-score": BASE + 62 + normal(1),
        "aesthetic": 0.02 * BASE + 0.7 + 1e-4 * normal(2),
        "tag-recall": BASE,
    }
    b = contender("short", worse, kid=9 * normal(7) + 59.8 - 9 * normal(7).mean())
    return compare(a, b)


def test_the_sentence_names_what_decides_and_what_else_changed() -> None:
    head, *rest = sentence(example()).split("; ")
    assert head.startswith("ninja is better than short: kid 6.1 against 59.8 (−53.7 [−")
    assert rest[0].startswith("clip-score is worse (−")
    assert rest[1].startswith("aesthetic shows no difference (± 0.0")
    assert rest[2:] == ["this holds for these files, not for every training"]


def test_the_sentence_says_what_it_would_take_to_tell() -> None:
    found = compare(mean_of(normal(1)), mean_of(normal(2)), Rules(margins={"clip-score": 0.1}))
    assert sentence(found).startswith("ink (A) cannot yet be told apart from ink (B): clip-score ")
    assert " prompts to detect ± 0.1" in sentence(found)


def printed(draw: Any, found: Any) -> str:
    console = Terminal(file=io.StringIO(), width=220)
    draw(found, console)
    written = console.file
    assert isinstance(written, io.StringIO)
    return written.getvalue()


def test_a_comparison_prints_a_row_a_metric_and_its_sentence() -> None:
    found = example()
    text = printed(print_comparison, found)
    for word in ("kid ↓", "clip-score ↑", "<0.001", "better", "A − B", sentence(found)[:60]):
        assert word in text


def test_a_comparison_is_a_markdown_table_with_what_cannot_be_said() -> None:
    a = with_all("ink", BASE)
    broken = with_scores(a, kid={"value": None, "reason": "no | reference"})
    text = comparison_markdown(compare(a, broken))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(SHAPES)
    assert {line.replace("\\|", "").count("|") for line in lines} == {9}
    assert "unavailable (B: no \\| reference)" in text
    assert "**clip-score ↑**" in text


def test_several_stand_beside_the_first_in_one_table() -> None:
    a, b, c = with_all("ink", BASE + 1), with_all("oil", BASE), mean_of(BASE, "wax")
    found = compare_all([a, b, c])
    text = printed(print_comparisons, found)
    assert "A − oil" in text
    assert "A − wax" in text
    assert "(B: has no such metric)" in text
    markdown = comparisons_markdown(found)
    assert "| **clip-score ↑** |" in markdown
    assert markdown.count("- ink is") == 2
