"""Whether a published result was made again: what holds, what differs, what cannot be told."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from contenders import contender, with_images, with_result, with_score
from rich.console import Console

from harness.decisions.contender import Contender
from harness.decisions.reproduction import Reproduction, again
from harness.report.reproduction import print_reproduction, reproduction_document

VALUES = np.arange(8.0)
PUBLISHED = contender({"clip-score": VALUES}, kid=VALUES)
BLANK: dict[str, Any] = {"value": None, "low": None, "high": None, "reason": "no network"}


def made_again(published: Contender, found: Contender) -> Reproduction:
    scores = {score.metric: score for score in found.result.scores}
    metrics = [again(each, scores.get(each.metric), None) for each in published.result.scores]
    return Reproduction(published.result, found.result, tuple(metrics), ())


def moved(by: float) -> Contender:
    return with_score(PUBLISHED, "kid", value=float(VALUES.mean()) + by)


@pytest.mark.parametrize(
    ("found", "verdict", "code"),
    [
        (PUBLISHED, "holds", 0),
        (moved(0.1), "holds", 0),
        (moved(9), "differs", 3),
        (with_score(PUBLISHED, "kid", **BLANK), "under-powered", 4),
        (with_score(moved(9), "clip-score", **BLANK), "differs", 3),
        (with_images(PUBLISHED, failed=1, generated=15, scored=15), "differs", 3),
        (with_images(PUBLISHED, black=1), "differs", 3),
    ],
)
def test_only_values_that_were_found_again_hold(found: Contender, verdict: str, code: int) -> None:
    told = made_again(PUBLISHED, found)
    assert (told.verdict, told.exit_code, told.holds) == (verdict, code, code == 0)
    assert bool(told.reasons) is (code != 0)


def test_where_nothing_can_be_compared_nothing_holds() -> None:
    nothing = with_score(with_score(PUBLISHED, "kid", **BLANK), "clip-score", **BLANK)
    for published, found in ((nothing, nothing), (nothing, PUBLISHED), (PUBLISHED, nothing)):
        assert made_again(published, found).exit_code == 4
    assert made_again(nothing, nothing).reasons == ("the published result has no value to compare",)


def test_a_value_without_an_interval_holds_only_where_it_is_identical() -> None:
    bare = with_score(PUBLISHED, "kid", low=None, high=None)
    assert made_again(bare, PUBLISHED).verdict == "holds"
    told = made_again(bare, moved(0.1))
    assert (told.exit_code, told.reasons) == (4, ("kid was published without an interval",))


def test_a_metric_that_is_no_longer_there_is_lost() -> None:
    told = made_again(PUBLISHED, contender({"clip-score": VALUES}))
    assert (told.exit_code, told.reasons) == (4, ("kid was not found again",))
    document = reproduction_document(told)
    json.dumps(document, allow_nan=False)
    assert (document["holds"], document["verdict"]) == (False, "under-powered")
    out = io.StringIO()
    print_reproduction(told, Console(file=out, width=120))
    assert "whether it holds cannot be told: kid was not found again" in out.getvalue()


def test_what_was_judged_unlike_says_nothing_either_way() -> None:
    for found in (PUBLISHED, moved(9)):
        other = with_result(found, signature="t", protocol={"seeds": [9]})
        told = made_again(PUBLISHED, other)
        assert (told.exit_code, told.reasons) == (4, ("the two were judged unlike, in seeds",))
