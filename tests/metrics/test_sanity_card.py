"""The sanity card of pocket-v1: every metric notices what it must, in its own direction."""

from __future__ import annotations

from contextlib import chdir

import pytest
from running import ROOT

import harness
from harness.api.results import SanityReport
from harness.errors import UsageError
from harness.metrics.licence import Answer
from harness.metrics.sanity_card import MIXTURES, SHARES, card_of, read_rows, rows_of
from harness.pages import benchmark
from harness.records import Score


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> SanityReport:
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
        )


@pytest.mark.slow
def test_every_metric_notices_what_it_must(report: SanityReport) -> None:
    metrics = benchmark.load("pocket-v1").metrics
    assert {str(each) for each in report.licences.values()} == {"licensed"}
    assert len(report.licences) == len(metrics)
    assert sum(len(metric.must_detect) for metric in metrics) > 40, (
        "every metric but base-shift must detect some damage"
    )
    assert [metric.column for metric in metrics if not metric.must_detect] == ["base-shift"]


@pytest.mark.slow
def test_changes_are_as_large_as_what_was_done(report: SanityReport) -> None:
    def change(metric: str, treatment: str) -> float:
        return report.card.answers[metric, treatment].delta or 0.0

    real = {score.metric: score.value for score in report.card.metrics}
    assert change("memorization", "copies") > 0.95
    assert change("extraction", "copies") > 0.95
    assert change("within-prompt", "collapsed") == pytest.approx(-(real["within-prompt"] or 0))
    assert change("clip-score", "shuffled") < -0.8 * (real["clip-score"] or 0)
    assert 0.15 < change("artefacts", "black") < 0.35, "one picture in four"
    assert change("kid", "noise") < change("kid", "jpeg") < change("kid", "blur")
    assert change("kid", "smears") > 1.5 * change("kid", "other-style"), "nothing is as far off"
    assert change("style", "other-style") > 1, "as far again as the reference is wide, and more"


@pytest.mark.slow
def test_distances_follow_the_share_of_another_style(report: SanityReport) -> None:
    for metric in ("kid", "fid@n=64", "cmmd", "style"):
        changes = [report.card.answers[metric, share].delta or 0.0 for share in MIXTURES]
        assert len(changes) == 4
        assert changes == sorted(changes)
        assert changes[0] > 0
    for name, share in SHARES.items():
        assert report.card.answers["style-probe", name].delta == pytest.approx(-share, abs=0.1)


@pytest.mark.slow
def test_nothing_is_found_wrong_with_real_pictures(report: SanityReport) -> None:
    kid = next(score for score in report.card.metrics if score.metric == "kid")
    assert kid.low is not None
    assert kid.high is not None
    assert kid.low < 0 < kid.high
    for metric, treatment in report.card.answers:
        cell = report.card.answers[metric, treatment]
        if treatment == "shuffled" and metric not in ("clip-score", "tag-recall"):
            assert cell.delta == pytest.approx(0, abs=1e-9), f"{metric} sees no words"


def score(value: float, low: float, high: float) -> Score:
    return Score(metric="kid", value=value, low=low, high=high, n=9, higher_is_better=False)


def test_a_set_without_pairs_is_judged_by_both_intervals() -> None:
    # delta 4; down: √((7−4)² + (5−3)²) = √13, up: √((8−7)² + (3−1)²) = √5.
    card = card_of({"real": [score(3, 1, 5)], "copies": [score(7, 4, 8)]})
    expected = Answer(7, 4, pytest.approx(4 - 13**0.5), pytest.approx(4 + 5**0.5), "worse")  # type: ignore[arg-type]
    assert card.answers["kid", "copies"] == expected
    within = card_of({"real": [score(3, 1, 5)], "copies": [score(3.5, 1, 6)]})
    assert within.answers["kid", "copies"].response == "none"


def test_a_card_is_read_from_its_table_as_it_was_written() -> None:
    lost = Score(
        metric="fid", value=None, low=None, high=None, n=0, higher_is_better=False, reason="no hub"
    )
    card = card_of({"real": [score(3, 1, 5), lost], "blur": [score(7, 4, 8), lost]})
    assert read_rows({"n": None, "higher_is_better": None} | row for row in rows_of(card)) == card


def test_a_benchmark_without_a_reference_has_no_card() -> None:
    with pytest.raises(UsageError, match="no sanity card"):
        harness.sanity("anime-v1", base="sdxl-base")
