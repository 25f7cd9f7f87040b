"""Runs that should be equal: what they draw of their own, and what they share."""

from __future__ import annotations

from contextlib import chdir

from running import ROOT

from harness.decisions.null_runs import alone, resampled, retrained
from harness.pages import benchmark
from harness.pages import recipe as recipes


def test_equal_runs_are_judged_by_every_metric_that_a_gate_asks() -> None:
    with chdir(ROOT):
        judgement = benchmark.load("pocket-v1")
    kept = {metric.column for metric in alone(judgement).metrics}
    assert {"kid", "style-probe", "broken", "memorization", "within-prompt"} <= kept
    assert not kept & {"base-shift", "leakage", "extraction"}, "each run would draw for these"


def test_equal_runs_draw_samples_of_their_own_and_share_one_base() -> None:
    with chdir(ROOT):
        judgement, recipe = benchmark.load("pocket-v1"), recipes.load("pocket-ninja")
        plans = [*resampled(recipe, judgement, 3), *retrained(recipe, judgement, 2)]
    keys = [plan.keys() for plan in plans]
    assert len({each["sample"] for each in keys}) == 4, "the first draw is the first training's"
    assert len({each["base"] for each in keys}) == 1
    assert len({each["decoys"] for each in keys}) == 1
    assert len({each["sanity"] for each in keys}) == 1


def test_where_nothing_wants_the_base_none_is_drawn() -> None:
    with chdir(ROOT):
        judgement = benchmark.load("pocket-v1")
    plain = tuple(each for each in judgement.metrics if each.use in ("kid", "clip-score"))
    page = judgement.benchmark.model_copy(update={"metrics": plain})
    judged = alone(benchmark.Judgement(page, judgement.suites))
    assert judged.benchmark.base is False
