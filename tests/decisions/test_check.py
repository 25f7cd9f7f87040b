"""What is allowed, and where an interval lies beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.decisions import check
from harness.decisions.check import Allowed, Check, check_json


@pytest.mark.parametrize(
    ("allowed", "low", "high", "holds", "side"),
    [
        (Allowed(-1, 1), -1, 1, True, 0),
        (Allowed(-1, 1), -1.1, 1, False, 0),
        (Allowed(-1, 1), -3, -2, False, -1),
        (Allowed(-1, 1), 2, 3, False, 1),
        (Allowed(-1), 2, 3, True, 0),
        (Allowed(None, 1), -3, -2, True, 0),
        (Allowed(None, 1), 1.5, 2, False, 1),
        (Allowed(), -9, 9, True, 0),
    ],
)
def test_an_interval_is_allowed_where_it_lies_between_the_ends(
    allowed: Allowed, low: float, high: float, holds: bool, side: int
) -> None:
    assert allowed.holds(low, high) is holds
    assert allowed.side(low, high) == side


def test_more_room_to_pass_is_no_more_room_for_harm() -> None:
    one = Check("non-inferiority", "kid", allowed=Allowed(None, 3.0), margin=1.0)
    assert one.harmless == Allowed(None, 1.0)
    assert Check("bound", "kid", allowed=Allowed(2.0)).harmless == Allowed(2.0)


def test_a_check_is_written_with_both_ends_of_what_is_allowed() -> None:
    written = check_json(Check("window", "kid", allowed=Allowed(-2.0, 2.0)))
    assert (written["least"], written["most"]) == (-2.0, 2.0)
    assert "allowed" not in written


def test_no_decision_holds_a_statistical_formula_of_its_own() -> None:
    files = sorted(Path(check.__file__).parent.glob("*.py"))
    assert len(files) > 10
    assert [file.name for file in files if "scipy" in file.read_text(encoding="utf-8")] == []
