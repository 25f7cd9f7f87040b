"""Scores by suite and by tag."""

from __future__ import annotations

import numpy as np
import pytest

from harness.decisions.breakdown import group_scores, groups_of
from harness.metrics.statistics.intervals import skewness_corrected
from harness.pages import benchmark

GROUPS = {"a": ("suite", "plain"), "b": ("suite", "plain"), "c": ("suite", "light")}
SAMPLES = {"aesthetic": [("a", 0.1), ("a", 0.3), ("b", 0.6), ("b", 0.6), ("c", 0.9)]}


def test_a_group_has_the_mean_of_its_images_and_the_interval_of_its_prompts() -> None:
    plain, light = group_scores(SAMPLES, GROUPS)
    assert (plain.group, plain.metric, plain.prompts) == ("plain", "aesthetic", 2)
    assert plain.value == pytest.approx(0.4)
    down, up = skewness_corrected(np.array([0.2, 0.6]))
    assert plain.ends == pytest.approx((0.4 - down, 0.4 + up))
    assert (light.value, light.ends) == (0.9, None)


def test_a_group_of_all_prompts_says_nothing_new() -> None:
    assert {part.group for part in group_scores(SAMPLES, GROUPS)} == {"plain", "light"}


def test_prompts_a_benchmark_does_not_know_belong_to_no_group() -> None:
    assert group_scores({"aesthetic": [("strange", 1.0)]}, GROUPS) == []


def test_quality_v1_is_grouped_by_the_levels_of_its_table() -> None:
    groups = groups_of(benchmark.load("quality-v1"))
    levels = [
        name
        for each in groups.values()
        for name in each
        if name in ("plain", "light", "heavy", "against", "quality")
    ]
    assert groups["q01-plain"] == ("quality-ablation", "plain", "card")
    assert len(groups) == len(levels) == 36
