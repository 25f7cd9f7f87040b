"""The sanity card of pocket-v1: every metric notices what it must, in its own direction."""

from __future__ import annotations

from contextlib import chdir

import pytest
from running import ROOT

import harness
from harness.decisions.sanity import MIXTURES, SanityCard, card, licences, plans, undetected
from harness.errors import UsageError
from harness.metrics.licence import Answer
from harness.pages import benchmark
from harness.pages.recipe import load
from harness.records import Accounting, Result, Score


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> SanityCard:
    """The card of pocket-v1 with two of its three seeds: two thirds of the pictures in each row."""
    root = tmp_path_factory.mktemp("card")
    page = (ROOT / "prompts/benchmarks/pocket-v1.yaml").read_text()
    assert page.count("seeds: [1, 2, 3]") == page.count("steps: 20") == 1
    page = page.replace("seeds: [1, 2, 3]", "seeds: [1, 2]").replace("steps: 20", "steps: 10")
    smaller = root / "prompts/benchmarks/pocket-v1.yaml"
    smaller.parent.mkdir(parents=True)
    smaller.write_text(page)
    with chdir(root):
        return harness.sanity(
            "pocket-v1", store=root / "store", reports=root / "reports", quiet=True
        ).card


@pytest.mark.slow
def test_every_metric_notices_what_it_must(found: SanityCard) -> None:
    metrics = benchmark.load("pocket-v1").metrics
    said = licences(found, metrics)
    assert undetected(said) == []
    assert {str(each) for each in said.values()} == {"licensed"}
    assert sum(len(metric.must_detect) for metric in metrics) > 40, (
        "every metric but base-shift must detect some damage"
    )
    assert [metric.column for metric in metrics if not metric.must_detect] == ["base-shift"]


@pytest.mark.slow
def test_changes_are_as_large_as_what_was_done(found: SanityCard) -> None:
    def change(metric: str, treatment: str) -> float:
        return found.cells[metric, treatment].delta or 0.0

    real = {score.metric: score.value for score in found.metrics}
    assert change("memorization", "copies") > 0.95
    assert change("extraction", "copies") > 0.95
    assert change("within-prompt", "collapsed") == pytest.approx(-(real["within-prompt"] or 0))
    assert change("clip-score", "shuffled") < -0.8 * (real["clip-score"] or 0)
    assert 0.15 < change("artefacts", "black") < 0.35, "one picture in four"
    assert change("kid", "noise") < change("kid", "jpeg") < change("kid", "blur")
    assert change("kid", "smears") > 1.5 * change("kid", "other-style"), "nothing is as far off"
    assert change("style", "other-style") > 1, "as far again as the reference is wide, and more"


@pytest.mark.slow
def test_distances_follow_the_share_of_another_style(found: SanityCard) -> None:
    for metric in ("kid", "fid@n=96", "cmmd", "style"):
        changes = [found.cells[metric, share].delta or 0.0 for share in MIXTURES]
        assert len(changes) == 4
        assert changes == sorted(changes)
        assert changes[0] > 0


@pytest.mark.slow
def test_nothing_is_found_wrong_with_real_pictures(found: SanityCard) -> None:
    kid = next(score for score in found.metrics if score.metric == "kid")
    assert kid.low is not None
    assert kid.high is not None
    assert kid.low < 0 < kid.high
    for metric, treatment in found.cells:
        cell = found.cells[metric, treatment]
        if treatment == "shuffled" and metric not in ("clip-score", "tag-recall"):
            assert cell.delta == pytest.approx(0, abs=1e-9), f"{metric} sees no words"


def result(name: str, value: float, low: float, high: float) -> Result:
    score = Score(metric="kid", value=value, low=low, high=high, n=9, higher_is_better=False)
    images = Accounting(expected=9, generated=9, failed=0, scored=9)
    return Result(
        recipe=name,
        benchmark="b",
        signature="s",
        protocol={},
        keys={},
        images=images,
        scores=(score,),
        provenance={},
        summary=name,
    )


def test_a_row_without_pairs_is_judged_by_both_intervals() -> None:
    # delta 4; down: √((7−4)² + (5−3)²) = √13, up: √((8−7)² + (3−1)²) = √5.
    rows = [result("real", 3, 1, 5), result("copies", 7, 4, 8)]
    cell = card(rows).cells["kid", "copies"]
    assert cell == Answer(7, 4, pytest.approx(4 - 13**0.5), pytest.approx(4 + 5**0.5), "worse")  # type: ignore[arg-type]
    within = card([result("real", 3, 1, 5), result("copies", 3.5, 1, 6)]).cells["kid", "copies"]
    assert within.response == "none"


def test_a_benchmark_without_a_reference_has_no_card() -> None:
    with pytest.raises(UsageError, match="no reference"):
        plans(benchmark.load("anime-v1"), load("sdxl-base"))
