"""Memorization: likenesses beside their null, and the pairs that are nearest."""

from __future__ import annotations

import pytest

from harness.pipeline.results.read import score_of
from harness.views import copies
from harness.views.shelf import Shelf


def test_the_share_at_the_metrics_own_threshold_is_its_value(shelf: Shelf) -> None:
    for held in shelf.held():
        assert held.result is not None
        for near in copies.nearness(shelf, held):
            score = score_of(held.result, near.metric)
            assert score is not None
            assert near.share(near.threshold) == pytest.approx(score.value)
            assert near.null_share(near.threshold) <= 0.01


def test_moving_the_threshold_moves_both_shares_together(shelf: Shelf) -> None:
    (near, *_) = copies.nearness(shelf, shelf.find("pocket-v1/pocket-ninja"))
    shares = [(near.share(at), near.null_share(at)) for at in (-1.0, 0.9, 0.95, 1.0)]
    assert shares[0] == (1.0, 1.0)
    assert shares[-1] == (0.0, 0.0)
    assert shares == sorted(shares, reverse=True)


def test_the_worst_pairs_come_first_with_both_pictures(shelf: Shelf) -> None:
    held = shelf.find("pocket-v1/pocket-ninja-overfit")
    near = next(each for each in copies.nearness(shelf, held) if each.metric == "extraction")
    pairs = copies.worst(shelf, held, near, 0, 12)
    likenesses = [pair["likeness"] for pair in pairs]
    assert likenesses == sorted(likenesses, reverse=True)
    assert all(shot["src"] for pair in pairs for shot in pair["shots"])
    assert all(pair["caption"] for pair in pairs)


def test_a_result_without_likenesses_has_nothing_to_show(shelf: Shelf) -> None:
    (shelf.reports / "pocket-v1/pocket-base.likeness.parquet").unlink()
    assert copies.nearness(shelf, shelf.find("pocket-v1/pocket-base")) == []
