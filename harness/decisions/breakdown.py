"""Scores by suite and by tag: what a mean over all prompts hides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.interfaces import FeatureSet
from harness.metrics.intervals import mean_of
from harness.pages.benchmark import Judgement
from harness.pipeline.results.file import ResultFile

Samples = Mapping[str, Sequence[tuple[str, float]]]
"""By metric: prompt id and value of every image."""


@dataclass(frozen=True)
class GroupScore:
    """What one metric says of the prompts of one suite or tag."""

    group: str
    metric: str
    prompts: int
    value: float
    ends: tuple[float, float] | None
    """The interval; None where there is one prompt, which is its unit."""


def groups_of(judgement: Judgement) -> dict[str, tuple[str, ...]]:
    """Return the suite and the tags of every prompt, by its id."""
    return {
        prompt.id: (suite.name, *prompt.tags)
        for suite in judgement.suites
        for prompt in suite.prompts
    }


def read_samples(result: Path) -> Samples:
    """Return the values of single images that stand beside a result file."""
    by_metric: dict[str, list[tuple[str, float]]] = {}
    for row in ResultFile(result).table("samples").to_pylist():
        by_metric.setdefault(row["metric"], []).append((row["prompt_id"], row["value"]))
    return by_metric


def group_scores(samples: Samples, groups: Mapping[str, tuple[str, ...]]) -> list[GroupScore]:
    """Return every metric's mean over each group that does not hold all prompts."""
    names = list(dict.fromkeys(name for each in groups.values() for name in each))
    scores = []
    for name in names:
        for metric, rows in samples.items():
            inside = [row for row in rows if name in groups.get(row[0], ())]
            if inside and len(inside) < len(rows):
                scores.append(_group_score(name, metric, inside))
    return scores


def _group_score(name: str, metric: str, rows: Sequence[tuple[str, float]]) -> GroupScore:
    ids, values = [row[0] for row in rows], np.array([row[1] for row in rows])
    measured = mean_of(values, FeatureSet(values[:, None], ids, ids, []))
    low, high = measured.low, measured.high
    ends = None if low is None or high is None else (low, high)
    return GroupScore(name, metric, len(set(ids)), float(values.mean()), ends)
