"""Gates: that they fail for harm and only for harm, as often as they say."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from contenders import contender, normal, with_images, with_result, with_score
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.decisions.check import Allowed, Check
from harness.decisions.contender import Contender
from harness.decisions.gate import Gate, claim_of, gate, rules_for
from harness.decisions.noise import MetricNoise, Noise, Spread, measured
from harness.errors import UsageError
from harness.interfaces import Array
from harness.metrics.statistics import paired, power
from harness.metrics.statistics.multiple import holm
from harness.pages.policy import DEFAULT, Limits, Policy
from harness.report.checks import sentence
from harness.report.gate import gate_text

BASE = normal(0)
SMALL = 0.1 * normal(1)
"""What images of two equal sides differ by."""


def of(values: Array, name: str = "ink") -> Contender:
    return contender({"clip-score": values}, name)


def policy(*limits: Limits, **more: Any) -> Policy:
    return Policy(name="p", summary="s", metrics=limits, **more)


def clip(**limits: float) -> Policy:
    return policy(Limits(metric="clip-score", **limits))


def noise(
    difference: float = 0.1,
    between: float | None = None,
    runs: int = 16,
    column: str = "clip-score",
) -> Noise:
    spread = Spread(runs=runs, difference=difference, alarms=0.05)
    each = MetricNoise(
        sampling=spread, retrained=None if between is None else spread, between=between
    )
    return Noise(benchmark="pocket-v1", recipe="oil", signature="s", metrics={column: each})


def check(found: Gate, kind: str = "non-inferiority") -> Check:
    return next(each for each in found.checks if each.kind == kind)


def moved_by(shift: float, limits: Policy, spread: float = 0.1) -> Gate:
    """Return the gate of a candidate whose prompts move by `shift`, give or take `spread`."""
    moved = spread * (normal(1) - normal(1).mean())
    return gate(of(BASE + shift + moved), of(BASE, "oil"), limits)


def test_a_candidate_that_is_its_own_baseline_passes() -> None:
    found = gate(of(BASE), of(BASE))
    assert {each.verdict for each in found.checks} == {"pass"}
    assert (found.verdict, found.exit_code) == ("pass", 0)


def test_sure_harm_beyond_the_margin_fails() -> None:
    found = moved_by(-0.5, clip(margin=0.2))
    assert (found.verdict, found.exit_code) == ("fail", 3)
    harm = check(found)
    assert (harm.effect, harm.allowed) == (pytest.approx(-0.5), Allowed(-0.2))
    assert harm.p_adjusted is not None
    assert harm.p_adjusted < 0.001


def test_sure_harm_within_the_margin_passes() -> None:
    found = moved_by(-0.1, clip(margin=0.2))
    assert check(found).high < 0  # type: ignore[operator]
    assert (found.verdict, found.exit_code) == ("pass", 0)


def test_equal_runs_pass_where_noise_was_measured_and_harm_beyond_it_fails() -> None:
    rng, verdicts = np.random.default_rng(21), []
    runs = [of(BASE + 0.3 * rng.normal(size=32), f"run{number}") for number in range(16)]
    known = measured(runs[0].result, runs, [])
    for one, other in pairwise(runs * 2):
        verdicts.append(gate(one, other, noise=known).verdict)
    assert verdicts.count("pass") >= 0.9 * len(verdicts)
    assert verdicts.count("fail") <= 0.05 * len(verdicts)
    worse = [
        gate(of(BASE - 0.5 + 0.3 * rng.normal(size=32)), run, noise=known).verdict for run in runs
    ]
    assert worse.count("fail") >= 0.8 * len(worse), "half a standard deviation of prompts"


def test_harm_about_the_size_of_the_margin_is_neither() -> None:
    found = moved_by(-0.19, clip(margin=0.2))
    assert (found.verdict, found.exit_code) == ("under-powered", 4)


def test_harm_that_may_be_none_is_under_powered_however_large_it_looks() -> None:
    found = moved_by(-0.5, clip(margin=0.2), spread=2.0)
    harm = check(found)
    assert harm.effect < -0.2  # type: ignore[operator]
    assert (found.verdict, harm.verdict) == ("under-powered", "under-powered")
    assert harm.needed == power.prompts_needed(0.2, float(2.0 * normal(1).std(ddof=1)))


def test_no_evidence_of_harm_is_no_pass() -> None:
    assert moved_by(0.0, clip(margin=0.2), spread=2.0).verdict == "under-powered"
    assert moved_by(0.0, clip(margin=0.2)).verdict == "pass"


def test_what_gets_better_passes_whatever_the_margin() -> None:
    assert moved_by(0.5, clip(margin=0.0)).verdict == "pass"


def test_a_distance_that_grows_is_harm_and_one_that_shrinks_is_none() -> None:
    worse, better = contender({}, kid=BASE + 1 + SMALL), contender({}, kid=BASE - 1 + SMALL)
    limits, baseline = policy(Limits(metric="kid", margin=0.2)), contender({}, "oil", kid=BASE)
    found = gate(worse, baseline, limits)
    assert (found.verdict, check(found).allowed) == ("fail", Allowed(None, 0.2))
    assert gate(better, baseline, limits).verdict == "pass"


@given(shift=st.floats(-2, 2), margin=st.floats(0, 1), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_of_two_sides_at_most_one_fails_beside_the_other(
    shift: float, margin: float, seed: int
) -> None:
    a, b = of(BASE[:8] + shift), of(BASE[:8] + normal(seed, 8), "oil")
    there, back = gate(a, b, clip(margin=margin)), gate(b, a, clip(margin=margin))
    assert check(there).effect == -check(back).effect  # type: ignore[operator]
    if there.verdict == "fail":
        assert back.verdict == "pass"
    assert check(there).p == pytest.approx(1 - (check(back).p or 0.0), abs=1e-9) or shift == 0


def test_more_harm_never_helps() -> None:
    order = ["pass", "under-powered", "fail"]
    found = [moved_by(-harm, clip(margin=0.2)).verdict for harm in np.linspace(0, 0.5, 15)]
    assert found == sorted(found, key=order.index)
    assert {*found} == {*order}


COLUMNS = ("clip-score", "aesthetic", "tag-recall")


def drawn(
    rng: np.random.Generator, drop: float = 0.0, between: float = 0.0
) -> tuple[Contender, Contender]:
    """Return a candidate and a baseline whose prompts are alike to 0.7, metrics to 0.5.

    The standard deviation between prompts is 1; the first metric of the candidate drops.
    """
    shared, sides = rng.normal(size=(3, 32)), []
    for _ in range(2):
        own = (rng.normal(size=(1, 32)) + rng.normal(size=(3, 32))) / np.sqrt(2)
        run = between * rng.normal(size=(3, 1))
        sides.append(np.sqrt(0.7) * shared + np.sqrt(0.3) * own + run)
    sides[0][0] -= drop
    a, b = (contender(dict(zip(COLUMNS, side, strict=True))) for side in sides)
    return a, b


@pytest.mark.slow
def test_any_false_alarm_of_a_gate_is_rarer_than_one_in_twenty() -> None:
    """Without any margin, so that nothing but the evidence keeps a gate from failing."""
    rng, strict = np.random.default_rng(0), policy(*[Limits(metric=c, margin=0) for c in COLUMNS])
    found = [gate(*drawn(rng), strict).verdict for _ in range(200)]
    assert 0 < found.count("fail") <= 0.05 * 200


def test_a_drop_of_half_a_standard_deviation_is_seen_four_times_in_five() -> None:
    rng, limits = np.random.default_rng(1), policy(*[Limits(metric=c, margin=0.2) for c in COLUMNS])
    found = [check(gate(*drawn(rng, drop=0.5), limits)).verdict for _ in range(60)]
    assert found.count("fail") >= 0.8 * 60


def test_trainings_raise_false_alarms_unless_their_spread_is_known() -> None:
    rng, strict = np.random.default_rng(2), clip(margin=0)
    known = noise(between=0.2, runs=16)
    pairs = [drawn(rng, between=0.2) for _ in range(100)]
    pairs = [(replace(a, result=only(a)), replace(b, result=only(b))) for a, b in pairs]
    without = [gate(a, b, strict).verdict for a, b in pairs]
    aware = [gate(a, b, strict, known).verdict for a, b in pairs]
    assert without.count("fail") > 10
    assert aware.count("fail") <= 5
    assert gate(*pairs[0], strict, known).claim == "recipe"


def only(side: Contender) -> Any:
    """Return a result with its first score alone."""
    return side.result.model_copy(update={"scores": side.result.scores[:1]})


def test_measured_noise_keeps_equal_trainings_from_failing() -> None:
    """From trainings to noise to the margin and τ of a gate that nobody set anything for."""
    rng = np.random.default_rng(3)

    def trained() -> Contender:
        return of(BASE + 0.3 * rng.normal(size=32) + 0.2 * rng.normal())

    runs = [trained() for _ in range(16)]
    known = measured(runs[0].result, [], runs)
    found = [gate(trained(), runs[0], noise=known) for _ in range(40)]
    assert [each.verdict for each in found].count("fail") <= 2
    assert {each.advisory for each in found} == {()}
    assert gate(of(BASE - 1.5), runs[0], noise=known).verdict == "fail"


def test_all_checks_share_five_percent() -> None:
    moved = {
        "clip-score": BASE - 0.2 + 0.5 * normal(1),
        "aesthetic": BASE + SMALL,
        "tag-recall": BASE + SMALL,
    }
    a, b = contender(moved), contender(dict.fromkeys(moved, BASE), "oil")
    alone = gate(a, b, clip(margin=0.1))
    together = gate(a, b, policy(*[Limits(metric=name, margin=0.1) for name in moved]))
    p = [each.p for each in together.checks if each.p is not None]
    assert [each.p_adjusted for each in together.checks if each.p is not None] == holm(p)
    assert check(together).p_adjusted > check(alone).p_adjusted  # type: ignore[operator]


def test_one_sided_evidence_is_half_of_two_sided_in_the_direction_of_harm() -> None:
    found = moved_by(-0.02, clip(margin=0.2))
    (two_sided,) = [each.p for each in found.comparison.metrics]
    assert check(found).p == pytest.approx((two_sided or 0) / 2)
    better = moved_by(0.02, clip(margin=0.2))
    assert check(better).p == pytest.approx(1 - (two_sided or 0) / 2)


def test_a_window_fails_on_either_side() -> None:
    for shift in (-0.5, 0.5):
        found = moved_by(shift, clip(window=0.2))
        assert (found.verdict, [each.kind for each in found.checks]) == (
            "fail",
            ["window", "images", "flags"],
        )
    assert moved_by(0.1, clip(window=0.2)).verdict == "pass"
    assert moved_by(0.5, clip(window=0.2), spread=3.0).verdict == "under-powered"


def test_a_window_and_a_margin_are_two_checks_each_with_the_prompts_it_needs() -> None:
    found = moved_by(0.5, clip(window=1.0, margin=0.1), spread=2.0)
    sd = float(2.0 * normal(1).std(ddof=1))
    assert check(found).needed == power.prompts_needed(0.1, sd)
    assert check(found, "window").needed == power.prompts_needed(1.0, sd)


def test_a_bound_is_held_against_the_candidates_own_interval() -> None:
    values = BASE - BASE.mean() + 10
    reach = 2.04 * float(values.std(ddof=1)) / np.sqrt(32)
    for least, expected in ((9.0, "pass"), (10 + 2 * reach, "fail"), (10.1, "under-powered")):
        found = check(gate(of(values), of(values), clip(least=least)), "bound")
        assert (found.verdict, found.effect) == (expected, pytest.approx(10))
    for most, expected in ((11.0, "pass"), (10 - 2 * reach, "fail"), (9.9, "under-powered")):
        assert check(gate(of(values), of(values), clip(most=most)), "bound").verdict == expected


def test_the_evidence_at_the_end_of_an_interval_is_that_of_the_interval() -> None:
    side = with_score(of(BASE), "clip-score", value=10.0, low=9.0, high=10.5)
    assert check(gate(side, side, clip(least=10.5)), "bound").p == pytest.approx(0.025, abs=1e-4)
    assert check(gate(side, side, clip(most=9.0)), "bound").p == pytest.approx(0.025, abs=1e-4)
    sure = with_score(side, "clip-score", low=10.0, high=10.0)
    assert [
        check(gate(sure, sure, clip(least=least)), "bound").verdict for least in (9.0, 10.0, 11.0)
    ] == ["pass", "pass", "fail"]


def test_a_bound_for_recipes_is_wider_by_the_spread_of_trainings() -> None:
    side = with_score(of(BASE), "clip-score", value=10.0, low=9.0, high=11.0)
    found = check(gate(side, side, clip(least=0), noise(between=1.0, runs=1000)), "bound")
    assert found.low == pytest.approx(10 - np.hypot(1, 1.96), abs=0.01)
    assert found.claim == "recipe"


def test_margins_are_the_policys_else_the_noises_else_a_convention() -> None:
    for limits, known, source, margin in (
        (clip(margin=0.3), noise(), "policy", 0.3),
        (clip(), noise(difference=0.1), "noise", 0.196),
        (DEFAULT, noise(difference=0.1), "noise", 0.196),
        (clip(), None, "convention", paired.usual_margin(BASE, BASE)),
        (clip(), noise(column="kid"), "convention", paired.usual_margin(BASE, BASE)),
    ):
        sides = [contender({"clip-score": BASE}, kid=BASE) for _ in range(2)]
        checks = gate(*sides, limits, known).checks
        found = next(each for each in checks if each.metric == "clip-score")
        assert (found.source, found.margin) == (source, pytest.approx(margin))


def test_rules_carry_what_the_gate_judges_by() -> None:
    known = noise(difference=0.1, between=0.2, runs=1000)
    rules = rules_for(clip(margin=0.3), known, {"p000": ("tags",)})
    assert rules.declared == ("clip-score",)
    assert rules.margins == {"clip-score": 0.3}
    assert rules.between == {"clip-score": pytest.approx(0.2, rel=0.01)}
    assert rules.groups == {"p000": ("tags",)}
    assert rules_for(DEFAULT, known).margins == {"clip-score": pytest.approx(0.196)}
    assert rules_for(policy(claim="file"), known).between == {}
    assert rules_for(DEFAULT).margins == {}


def test_a_gate_is_about_recipes_where_it_is_known_how_trainings_differ() -> None:
    assert claim_of(DEFAULT, None) == claim_of(DEFAULT, noise()) == "file"
    assert claim_of(DEFAULT, noise(between=0.1)) == "recipe"
    assert claim_of(policy(claim="file"), noise(between=0.1)) == "file"


def test_a_claim_about_recipes_takes_the_spread_of_trainings() -> None:
    limits = policy(Limits(metric="clip-score", margin=0.2, least=0.0), claim="recipe")
    a, b = of(BASE + 5 + SMALL), of(BASE, "oil")
    found = gate(a, b, limits)
    assert found.verdict == "under-powered"
    assert {each.reason for each in found.checks[:2]} == {
        "the gate asks about recipes, and how far trainings of this one differ is not known"
    }
    runs = [with_score(side, "clip-score", runs=(1.0, 1.1, 1.2)) for side in (a, b)]
    runs = [with_result(side, interval="recipe") for side in runs]
    assert gate(*runs, limits).verdict == "pass"


def test_a_gate_is_advisory_until_eight_null_pairs_are_known() -> None:
    a, b = of(BASE), of(BASE, "oil")
    assert gate(a, b, clip(margin=1)).advisory == (
        "no null pairs were measured, and it takes 8: `harness calibrate`",
    )
    assert gate(a, b, clip(), noise(runs=8)).advisory == (
        "it takes 8 null pairs, and there are: clip-score 7",
    )
    assert gate(a, b, clip(), noise(runs=9)).advisory == ()
    (usual, few) = gate(a, b, clip()).advisory
    assert usual.startswith("the margin of clip-score is a convention")
    assert few.startswith("no null pairs")


def test_a_missing_image_fails_unless_the_policy_bears_it() -> None:
    for counts in ({"failed": 1, "generated": 63, "scored": 63}, {"black": 1}):
        a, b = with_images(of(BASE), **counts), of(BASE, "oil")
        found = gate(a, b, clip(margin=1))
        assert (found.exit_code, check(found, "images").verdict) == (3, "fail")
        assert "1 of 64 images" in (check(found, "images").reason or "")
        assert gate(a, b, policy(*clip(margin=1).metrics, images=1)).verdict == "pass"


def test_a_flag_that_the_baseline_does_not_carry_fails() -> None:
    clean = of(BASE)
    flagged = with_score(clean, "clip-score", flag="copies training pictures")
    found = gate(flagged, clean)
    assert (found.exit_code, check(found, "flags").reason) == (
        3,
        "clip-score copies training pictures",
    )
    assert check(gate(flagged, flagged), "flags").verdict == "pass"
    assert check(gate(clean, flagged), "flags").verdict == "pass"


BLANK = {"value": None, "low": None, "high": None, "reason": "no network"}


def test_a_metric_that_a_policy_names_must_be_there() -> None:
    side = with_score(of(BASE), "clip-score", **BLANK)
    for limits in (clip(), clip(window=1), clip(least=1, window=1)):
        found = gate(side, of(BASE), limits)
        assert found.exit_code == 3
        assert "no network" in (found.checks[0].reason or "")
    with pytest.raises(UsageError, match="no metric is named kld"):
        gate(side, of(BASE), policy(Limits(metric="kld")))


def three() -> list[Contender]:
    return [
        contender({"clip-score": BASE, "tag-recall": BASE}, kid=BASE, memorization=0.01 * BASE)
        for _ in range(2)
    ]


@pytest.mark.parametrize("column", ["kid", "clip-score", "tag-recall", "memorization"])
def test_a_metric_that_only_the_baseline_has_does_not_pass(column: str) -> None:
    full, other = three()
    found = gate(with_score(full, column, **BLANK), other)
    lacking = check(found, "missing")
    assert (found.verdict, found.exit_code) == ("under-powered", 4)
    assert lacking.metric == column
    assert lacking.reason == (
        f"cannot be compared (candidate: no network); allow_missing: [{column}] lets it pass"
    )
    named = policy(Limits(metric="kid"), Limits(metric="clip-score"))
    assert gate(with_score(full, column, **BLANK), other, named).exit_code in (3, 4)


def test_a_metric_whose_score_is_not_even_written_does_not_pass() -> None:
    full, other = three()
    fewer = with_result(full, scores=full.result.scores[1:])
    found = gate(fewer, other)
    assert found.exit_code == 4
    assert check(found, "missing").metric == "clip-score"
    emptied = replace(full, prompts={}, samples={})
    assert gate(emptied, other).exit_code == 4, "values without the tables beside them"


def test_a_candidate_cannot_say_that_a_metric_may_not_judge() -> None:
    """The baseline's licence counts, and one that it does not give is no loss."""
    no = "unlicensed: does not respond to blur"
    full, other = three()
    found = gate(with_score(full, "tag-recall", licence=no), other)
    assert (found.exit_code, check(found, "missing").metric) == (4, "tag-recall")
    blind = with_score(other, "tag-recall", licence=no)
    assert gate(with_score(full, "tag-recall", **BLANK), blind).exit_code == 0


def test_what_may_be_missing_passes_and_is_named() -> None:
    full, other = three()
    for column in ("kid", "memorization"):
        lacking = with_score(full, column, **BLANK)
        found = gate(lacking, other, DEFAULT.model_copy(update={"allow_missing": (column,)}))
        assert found.exit_code == 0
        assert found.allowed_missing == (f"{column} (candidate: no network)",)
        assert f"allowed to be missing: {column}" in gate_text(found)
    named = policy(Limits(metric="kid"), Limits(metric="clip-score"), allow_missing=("kid",))
    found = gate(with_score(full, "kid", **BLANK), other, named)
    assert (found.exit_code, found.allowed_missing) == (0, ("kid (candidate: no network)",))
    with pytest.raises(UsageError, match="no metric is named kld"):
        gate(full, other, DEFAULT.model_copy(update={"allow_missing": ("kld",)}))


def test_all_that_may_be_missing_is_still_no_evidence() -> None:
    side, full = with_score(of(BASE), "clip-score", **BLANK), of(BASE)
    found = gate(side, full, DEFAULT.model_copy(update={"allow_missing": ("clip-score",)}))
    assert found.exit_code == 4


def test_what_neither_side_has_is_left_out_and_named() -> None:
    sides = [with_score(each, "kid", **BLANK) for each in three()]
    found = gate(*sides)
    assert found.verdict == "pass"
    assert found.left_out == ("kid (candidate: no network)",)
    blind = [with_score(each, "memorization", **BLANK) for each in three()]
    assert check(gate(*blind), "flags").reason == "not known without memorization"


def test_a_flag_that_gets_worse_fails_though_the_baseline_carries_it_too() -> None:
    """Extraction leads no family here, so nothing but its flag has it judged."""
    rates = np.clip(0.29 + 0.2 * normal(1), 0, 1)

    def flagged(values: Array) -> Contender:
        side = contender({"clip-score": BASE}, memorization=0.01 * BASE, extraction=values)
        return with_score(side, "extraction", flag="copies training pictures")

    worse = gate(flagged(0.9 + 0.1 * rates), flagged(rates))
    assert worse.exit_code == 3
    (harm,) = [each for each in worse.checks if each.kind == "flags" and each.metric]
    assert (harm.metric, harm.verdict, harm.claim) == ("extraction", "fail", "file")
    assert "carries a flag on both sides, and is more than" in sentence(harm)
    assert gate(flagged(rates), flagged(rates)).exit_code == 0
    assert gate(flagged(rates * 0.5), flagged(rates)).exit_code == 0
    known = noise(between=0.2)
    assert gate(flagged(rates), flagged(rates), clip(margin=1), known).claim == "recipe"
    named = gate(flagged(0.9 + 0.1 * rates), flagged(rates), clip(margin=1))
    assert named.exit_code == 3, "a policy that does not name it"


def test_a_result_of_no_images_is_refused() -> None:
    none = with_images(of(BASE), expected=0, generated=0, scored=0)
    for sides in ((none, of(BASE)), (of(BASE), none), (none, none)):
        with pytest.raises(UsageError, match="was judged on 0 images") as found:
            gate(*sides)
        assert found.value.exit_code == 2


def test_counts_that_are_not_the_baselines_or_do_not_add_up_fail() -> None:
    few = {"expected": 8, "generated": 8, "scored": 8}
    found = gate(with_images(of(BASE), **few), of(BASE))
    assert (found.exit_code, check(found, "images").reason) == (
        3,
        "a training was judged on 8 images, one of the baseline on 64",
    )
    for odd in ({"scored": 640}, {"generated": 640}, {"failed": -1}, {"black": 65}):
        found = gate(with_images(of(BASE), **odd), of(BASE))
        assert "do not add up" in (check(found, "images").reason or "")
        assert found.exit_code == 3
    twice = {"expected": 128, "generated": 128, "scored": 128}
    several = with_result(with_images(of(BASE), **twice), training_seeds=(1, 2))
    assert gate(several, of(BASE)).exit_code == 0, "two trainings, each judged on as many"


def test_where_nothing_can_be_compared_nothing_passes() -> None:
    side = with_score(of(BASE), "clip-score", **BLANK)
    found = gate(side, of(BASE))
    assert (found.verdict, found.exit_code) == ("under-powered", 4)
    assert check(found, "metrics").reason == "no metric could be compared"


def test_harm_outweighs_what_is_under_powered() -> None:
    moved = {"clip-score": BASE - 1 + SMALL, "aesthetic": BASE + 3 * normal(2)}
    a, b = contender(moved), contender(dict.fromkeys(moved, BASE), "oil")
    found = gate(a, b, policy(*[Limits(metric=name, margin=0.1) for name in moved]))
    assert [each.verdict for each in found.checks[:2]] == ["fail", "under-powered"]
    assert found.exit_code == 3


def test_noise_of_another_signature_and_unlike_results_are_refused() -> None:
    a, b = of(BASE), of(BASE, "oil")
    other = noise().model_copy(update={"signature": "t"})
    with pytest.raises(UsageError, match="another signature"):
        gate(a, b, noise=other)
    with pytest.raises(UsageError, match="differ in signature"):
        gate(a, with_result(b, signature="t"))


def test_a_wider_margin_never_fails_what_a_narrower_one_passed() -> None:
    order = ["fail", "under-powered", "pass"]
    found = [moved_by(-0.2, clip(margin=margin)).verdict for margin in np.linspace(0, 0.5, 11)]
    assert all(order.index(one) <= order.index(two) for one, two in pairwise(found))
