"""Cases of a policy: prompts that must not get worse, whatever the mean over all prompts does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from contenders import contender, normal, with_score

from harness.decisions.check import Check
from harness.decisions.contender import Contender
from harness.decisions.gate import Gate, gate
from harness.decisions.noise import MetricNoise, Noise, Spread, measured
from harness.errors import UsageError
from harness.interfaces import Array
from harness.metrics.statistics.noise import of_difference, share_beyond
from harness.pages.policy import Case, Limits, Policy
from harness.report.checks import outcome, sentence, title
from harness.report.gate import github_annotations, junit, page, summary
from harness.report.pairs import case_pairs, pictured

SEEDS = tuple(range(1, 11))
BASE = normal(0) + 30
TAGS = {f"p{at:03d}": ("suite", "hands" if at < 4 else "faces") for at in range(32)}


def side(moved: dict[str, float], noise: int, seeds: tuple[int, ...] = SEEDS) -> Contender:
    """Return a result whose images lie around BASE, some prompts moved."""
    made = contender({"clip-score": BASE}, seeds=seeds)
    rng = np.random.default_rng(noise)
    samples = {
        key: value + moved.get(key[0], 0.0) + 0.1 * rng.normal()
        for key, value in made.samples["clip-score"].items()
    }
    return replace(made, samples={"clip-score": samples})


def held(
    case: Case,
    moved: dict[str, float] | None = None,
    noise: Noise | None = None,
    seeds: tuple[int, ...] = SEEDS,
    **changes: Any,
) -> Gate:
    limits = (Limits(metric="clip-score", margin=0.5),)
    policy = Policy(name="p", summary="s", metrics=limits, cases=(case,), **changes)
    return gate(side(moved or {}, 1, seeds), side({}, 2, seeds), policy, noise, TAGS)


def only_case(found: Gate) -> Check:
    (case,) = [each for each in found.checks if each.kind == "case"]
    return case


def known(*runs: float, margin_of: str = "p003") -> Noise:
    """Return noise in which one prompt had these values, a run each."""
    others = {prompt: tuple(30.0 for _ in runs) for prompt in TAGS if prompt != margin_of}
    spread = Spread(
        runs=len(runs), difference=0.1, alarms=0.05, prompts={**others, margin_of: runs}
    )
    metrics = {"clip-score": MetricNoise(sampling=spread)}
    return Noise(benchmark="pocket-v1", recipe="ink", signature="s", metrics=metrics)


def test_one_prompt_that_got_worse_fails_where_the_mean_hides_it() -> None:
    found = held(Case(prompt="p003", margin=0.3), {"p003": -1.0})
    harm = next(each for each in found.checks if each.kind == "non-inferiority")
    case = only_case(found)
    assert (harm.verdict, case.verdict, found.verdict) == ("pass", "fail", "fail")
    assert case.effect == pytest.approx(-1.0, abs=0.2)
    assert (case.prompts, case.source) == (10, "policy")
    assert title(case) == "clip-score of prompt p003 is no more than 0.3 worse"
    assert sentence(case).startswith("clip-score of prompt p003 is more than 0.3 worse (−")


def test_a_case_that_holds_passes_whatever_other_prompts_do() -> None:
    found = held(Case(prompt="p003", margin=0.3), {"p004": -1.0})
    assert only_case(found).verdict == "pass"


def test_a_tag_or_a_suite_takes_its_prompts_together() -> None:
    moved = dict.fromkeys(("p000", "p001", "p002", "p003"), -1.0)
    worse, same = (held(Case(tag=tag, margin=0.3), moved) for tag in ("hands", "faces"))
    assert only_case(worse).prompt_ids == tuple(moved)
    assert (only_case(worse).verdict, only_case(worse).prompts) == ("fail", 40)
    assert only_case(same).verdict == "pass"
    assert len(only_case(held(Case(tag="suite", margin=0.3))).prompt_ids) == 32


@pytest.mark.parametrize(
    ("seeds", "says"), [((1,), "needs 2 images of both, has 1"), ((1, 2), "may be more")]
)
def test_few_seeds_are_too_little_evidence(seeds: tuple[int, ...], says: str) -> None:
    case = only_case(held(Case(prompt="p003", margin=0.3), {"p003": -1.0}, seeds=seeds))
    assert case.verdict == "under-powered"
    assert says in sentence(case)


def test_images_that_it_takes_are_counted() -> None:
    case = only_case(held(Case(prompt="p003", margin=0.02)))
    assert case.verdict == "under-powered"
    assert "images of these prompts to decide, and there are 10" in sentence(case)


def test_cases_are_adjusted_together_with_the_other_checks() -> None:
    case = only_case(held(Case(prompt="p003", margin=0.3), {"p003": -1.0}))
    assert case.p is not None
    assert case.p_adjusted == pytest.approx(2 * case.p)


def test_cases_of_equal_sides_hardly_ever_fail() -> None:
    cases = tuple(Case(prompt=prompt, margin=0.0) for prompt in TAGS)
    policy = Policy(name="p", summary="s", cases=cases)
    failed = sum(
        gate(side({}, 2 * at), side({}, 2 * at + 1), policy).verdict == "fail" for at in range(20)
    )
    assert failed <= 2


@pytest.mark.parametrize(
    ("case", "says"),
    [
        (Case(prompt="p03"), r"no prompt is named p03 \(did you mean p031"),
        (Case(prompt="zebra"), r"no prompt is named zebra \(there are p000, "),
        (Case(tag="hand"), r"no tag is named hand \(did you mean hands"),
        (Case(prompt="p003", metric="kid"), "kid has no values of single images"),
    ],
)
def test_a_name_that_means_nothing_is_refused(case: Case, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        held(case)


def test_a_tag_without_the_benchmarks_page_is_refused() -> None:
    policy = Policy(name="p", summary="s", cases=(Case(tag="hands"),))
    with pytest.raises(UsageError, match="the page of pocket-v1 holds the tags"):
        gate(side({}, 1), side({}, 2), policy)


def test_a_metric_that_may_not_judge_decides_no_case() -> None:
    policy = Policy(name="p", summary="s", cases=(Case(prompt="p003", metric="clip-score"),))
    blind = with_score(
        side({"p003": -9.0}, 1), "clip-score", licence="blind to blur", may_judge=False
    )
    case = only_case(gate(blind, side({}, 2), policy))
    assert case.verdict == "under-powered"
    assert "may not judge here: blind to blur" in sentence(case)


def test_a_case_speaks_for_its_images_also_where_the_gate_asks_about_recipes() -> None:
    found = held(Case(prompt="p003", margin=0.3), claim="recipe")
    assert only_case(found).verdict == "pass"


def test_noise_of_these_prompts_is_the_margin_where_the_policy_says_none() -> None:
    runs = (30.0, 30.2, 29.9)
    case = only_case(held(Case(prompt="p003"), noise=known(*runs)))
    assert case.source == "noise"
    assert case.margin == pytest.approx(1.96 * of_difference(np.array(runs)), rel=1e-3)
    assert case.advisory is None
    assert only_case(held(Case(prompt="p003"))).source == "convention"


def test_a_case_that_was_flaky_between_equal_runs_is_advice() -> None:
    moved, case = {"p003": -1.0}, Case(prompt="p003", margin=0.3)
    found = held(case, moved, known(30.0, 31.0, 30.1))
    flaky = only_case(found)
    assert (flaky.verdict, outcome(flaky), found.verdict) == ("fail", "fail (flaky)", "pass")
    assert "advisory, flaky: 67% of pairs of equal runs differ by more than 0.3" in sentence(flaky)
    suite = ElementTree.fromstring(junit(found))
    assert (suite.get("failures"), suite.get("skipped")) == ("0", "1")
    assert len(suite.findall(".//skipped")) == 1
    assert [line[:8] for line in github_annotations(found)][:1] == ["::notice"]
    steady = held(case, moved, known(30.0, 30.2, 30.1))
    assert (only_case(steady).advisory, steady.verdict) == (None, "fail")


def test_calibrated_runs_leave_the_value_of_each_at_every_prompt() -> None:
    runs = [side({"p003": float(at)}, at) for at in range(3)]
    noise = measured(runs[0].result, runs, [])
    spread = noise.metrics["clip-score"].sampling
    assert spread is not None
    assert set(spread.prompts) == set(TAGS)
    (means,) = noise.runs_of("clip-score", ("p003",))
    assert np.diff(means) == pytest.approx(1.0, abs=0.2)
    again = Noise.model_validate_json(noise.model_dump_json())
    assert again == noise
    assert noise.runs_of("clip-score", ("p003", "unknown")) == []


def test_a_noise_file_without_prompts_still_reads() -> None:
    spread = Spread.model_validate({"runs": 3, "difference": 0.1, "alarms": 0.0})
    assert spread.prompts == {}


@pytest.mark.parametrize(
    ("values", "share"), [([0.0, 0.0], 0.0), ([0.0, 2.0], 1.0), ([0, 1, 2], 1 / 3)]
)
def test_pairs_beyond_a_margin_are_counted(values: list[float], share: float) -> None:
    found: Array = np.array(values, float)
    assert share_beyond(found, 1.0) == pytest.approx(share)


def test_the_images_of_a_case_are_shown_also_where_none_lost() -> None:
    case = Case(prompt="p003", margin=0.3)
    found, sides = held(case), (side({}, 1), side({}, 2))
    worst = case_pairs(found, *sides)
    assert [each.prompt_id for each in worst] == ["p003"] * 3
    losses = [each.before - each.after for each in worst]
    assert losses == sorted(losses, reverse=True)
    shown = pictured(
        worst, {"p003": "<b>a hand"}, lambda *_: "data:image/webp;base64,AA", lambda *_: None
    )
    text = summary(found, cases=shown)
    assert "### Cases" in text
    assert "<b>" not in text
    drawn = page(found, cases=shown)
    assert "<h2>Cases</h2>" in drawn
    assert drawn.count("data:image/webp;base64,AA") == 3
    assert "<h2>Cases</h2>" not in page(found)


@pytest.mark.parametrize("page", [{}, {"prompt": "a", "tag": "b"}, {"prompt": "a", "margin": -1}])
def test_a_case_names_one_prompt_or_one_tag(page: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="1 validation error for Case"):
        Case.model_validate(page)


def test_a_case_is_named_once() -> None:
    with pytest.raises(ValueError, match="names the case of prompt a twice"):
        Policy(name="p", summary="s", cases=(Case(prompt="a"), Case(prompt="a", margin=1)))
