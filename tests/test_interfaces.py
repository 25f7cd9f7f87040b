"""What authors of plugins hold on to."""

from __future__ import annotations

import warnings
from typing import ClassVar, Literal

import pytest

from harness.conflicts import Conflict
from harness.interfaces import Family, MetricSpec, OptimizerSpec


def test_an_old_name_of_a_metric_still_counts_with_one_warning() -> None:
    with pytest.warns(DeprecationWarning, match="OldMetric: rename feels to must_detect") as caught:

        class OldMetric(MetricSpec):
            implementation: ClassVar[str] = "old:metric"
            higher_is_better: ClassVar[bool] = True
            family: ClassVar[Family] = "quality"
            feels: ClassVar[tuple[str, ...]] = ("blur",)
            use: Literal["old"] = "old"

    assert OldMetric.must_detect == ("blur",)
    assert len(caught) == 1
    assert OldMetric().fingerprint() == {"use": "old", "name": None, "version": 1}


def test_old_names_of_an_optimizer_still_count() -> None:
    with pytest.warns(DeprecationWarning, match="rename (sees to state_scope|quarrel to conflict)"):

        class Old(OptimizerSpec):
            implementation: ClassVar[str] = "old:optimizer"
            sees: ClassVar[str] = "tensor"
            use: Literal["old"] = "old"

            def quarrel(self, rate: float, *others: object) -> Conflict | None:
                return Conflict(("rate",), "is too high") if rate > 1 else None

    assert Old.state_scope == "tensor"
    assert Old().conflict(2.0, None) == Conflict(("rate",), "is too high")


def test_a_spec_that_inherits_the_names_of_today_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        class New(OptimizerSpec):
            implementation: ClassVar[str] = "new:optimizer"
            use: Literal["new"] = "new"

    assert New.state_scope == "everything"
