"""Memorization: likenesses beside their null, and the pairs that are nearest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.pipeline.results.read import score_of
from harness.views import memorization
from harness.views.reports_index import ReportsIndex


def test_the_share_at_the_metrics_own_threshold_is_its_value(index: ReportsIndex) -> None:
    for entry in index.entries():
        assert entry.result is not None
        for near in memorization.likenesses(index, entry):
            score = score_of(entry.result, near.metric)
            assert score is not None
            assert near.share(near.threshold) == pytest.approx(score.value)
            assert (near.null_share(near.threshold) or 0.0) <= 0.01


def test_moving_the_threshold_moves_both_shares_together(index: ReportsIndex) -> None:
    (near, *_) = memorization.likenesses(index, index.find("pocket-v1/pocket-ninja"))
    shares = [(near.share(at), near.null_share(at)) for at in (-1.0, 0.9, 0.95, 1.0)]
    assert shares[0] == (1.0, 1.0)
    assert shares[-1] == (0.0, 0.0)
    assert shares == sorted(shares, key=lambda pair: pair[0] or 0.0, reverse=True)
    assert [null for _, null in shares] == sorted((null or 0.0 for _, null in shares), reverse=True)


def test_no_image_is_no_share_of_none(index: ReportsIndex) -> None:
    (near, *_) = memorization.likenesses(index, index.find("pocket-v1/pocket-ninja"))
    none = replace(near, values=near.values[:0], null=near.null[:0])
    assert (none.share(0.5), none.null_share(0.5)) == (None, None)


def test_the_worst_pairs_come_first_with_both_pictures(index: ReportsIndex) -> None:
    entry = index.find("pocket-v1/pocket-ninja-overfit")
    near = next(
        each for each in memorization.likenesses(index, entry) if each.metric == "extraction"
    )
    pairs = memorization.nearest_pairs(index, entry, near, 0, 12)
    likenesses = [pair["likeness"] for pair in pairs]
    assert likenesses == sorted(likenesses, reverse=True)
    assert all(shot["src"] for pair in pairs for shot in pair["shots"])
    assert all(pair["caption"] for pair in pairs)


def test_a_result_without_likenesses_has_nothing_to_show(index: ReportsIndex) -> None:
    (index.reports / "pocket-v1/pocket-base.likeness.parquet").unlink()
    assert memorization.likenesses(index, index.find("pocket-v1/pocket-base")) == []
