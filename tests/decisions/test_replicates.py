"""Several trainings in one result: no mean where one of them lacks what it is a mean of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from contenders import contender, with_score

from harness.decisions.contender import Contender
from harness.decisions.replicates import Run, combine
from harness.records import PseudoValues, Score

VALUES = np.arange(8.0)
BLANK: dict[str, Any] = {"value": None, "low": None, "high": None, "reason": "no network"}


def run(seed: int, side: Contender) -> Run:
    return Run(seed, side.result, PseudoValues(side.prompts))


def combined(*sides: Contender) -> Score:
    return combine("ink", [run(seed, side) for seed, side in enumerate(sides)]).scores[0]


def of(shift: float) -> Contender:
    return contender({"clip-score": VALUES + shift})


def test_a_mean_holds_all_runs() -> None:
    found = combined(of(0.0), of(1.0))
    assert (found.value, found.runs) == (4.0, (3.5, 4.5))


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (with_score(of(1.0), "clip-score", **BLANK), "training seed 1: no network"),
        (with_score(of(1.0), "clip-score", metric="clip-score@n=7"), "the value depends on N"),
        (replace(of(1.0), prompts={}), "the runs have 0 prompts in common, and it takes 2"),
    ],
)
def test_a_run_that_lacks_a_value_or_another_n_gives_no_mean(other: Contender, reason: str) -> None:
    found = combined(of(0.0), other)
    assert (found.value, found.low, found.high, found.base) == (None, None, None, None)
    assert reason in (found.reason or "")


def test_a_flag_of_one_run_stays_though_another_has_no_value() -> None:
    flagged = with_score(of(0.0), "clip-score", flag="copies training pictures")
    blank = with_score(of(1.0), "clip-score", **BLANK)
    for sides in ((flagged, blank), (blank, flagged), (of(0.0), blank, flagged)):
        found = combined(*sides)
        assert found.value is None
        assert found.flag == f"copies training pictures in 1 of {len(sides)} runs"
