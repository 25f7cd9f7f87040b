"""One result with the tables beside its file, and what two of them share prompt by prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa

from harness.interfaces import Array, FeatureSet, MetricSpec, Side
from harness.pipeline.results.file import ResultFile
from harness.records import Result, Score, column_of

View = Callable[[], tuple[MetricSpec, FeatureSet, Mapping[Side, FeatureSet]]]
"""Loads a result's features for one metric, and those of what it is compared with."""
ByPrompt = Mapping[str, float]
ByImage = Mapping[tuple[str, int], float]
"""By prompt and seed."""
Kind = Literal["mean", "log-ratio", "jackknife"]
"""What a prompt's value is: the mean of its images; its own diversity, compared by ratio; or a
pseudo-value, which only serves the standard error."""


@dataclass(frozen=True)
class Contender:
    """One result with what stands beside its file, by metric's column."""

    result: Result
    prompts: Mapping[str, ByPrompt]
    """Jackknife pseudo-values."""
    samples: Mapping[str, ByImage]
    """Values of images, for metrics that are their mean."""
    views: Mapping[str, View] = field(default_factory=dict)
    """For metrics whose images are exchanged, where features are at hand."""

    @property
    def flagged(self) -> dict[str, str]:
        """Return the flag of every metric's column that has one."""
        return {
            column_of(score.metric): score.flag
            for score in self.result.scores
            if score.flag is not None
        }

    @property
    def flags(self) -> tuple[str, ...]:
        return tuple(self.flagged.values())

    def score(self, column: str) -> Score | None:
        return next((each for each in self.result.scores if column_of(each.metric) == column), None)


@dataclass(frozen=True)
class Pairing:
    """One metric of two results, a value a prompt of either."""

    prompts: tuple[str, ...]
    a: Array
    b: Array
    kind: Kind


def read(file: Path) -> Contender:
    """Return a result file with the tables beside it; samples of several trainings are averaged."""
    own = ResultFile(file)
    pseudo_values = own.pseudo_values().own
    return Contender(own.result, pseudo_values, _samples(own.table("samples")))


def _samples(table: pa.Table) -> dict[str, dict[tuple[str, int], float]]:
    """Return the values of images, by metric, prompt and seed: their means, where there are several
    of one place."""
    sums: dict[str, dict[tuple[str, int], tuple[float, int]]] = {}
    columns = [table[name].to_pylist() for name in ("metric", "prompt_id", "seed", "value")]
    for metric, prompt, seed, value in zip(*columns, strict=True):
        places = sums.setdefault(metric, {})
        total, count = places.get((prompt, seed), (0.0, 0))
        places[prompt, seed] = total + value, count + 1
    return {
        metric: {place: total / count for place, (total, count) in places.items()}
        for metric, places in sums.items()
    }


def pair(column: str, a: Contender, b: Contender) -> Pairing:
    """Return what both have: images' values at the same prompts and seeds, or pseudo-values."""
    one, other = a.samples.get(column), b.samples.get(column)
    if one and other:
        common = sorted(one.keys() & other.keys())
        return _aligned(_means(one, common), _means(other, common), "mean")
    ratios = _are_own(column, a) and _are_own(column, b)
    own, others = a.prompts.get(column, {}), b.prompts.get(column, {})
    return _aligned(own, others, "log-ratio" if ratios else "jackknife")


def means_by_prompt(values: ByImage) -> ByPrompt:
    """Return each prompt's mean over all its seeds."""
    return _means(values, [*values])


def _means(values: ByImage, keys: Sequence[tuple[str, int]]) -> ByPrompt:
    """Return each prompt's mean over its seeds."""
    by_prompt: dict[str, list[float]] = {}
    for key in keys:
        by_prompt.setdefault(key[0], []).append(values[key])
    return {prompt: float(np.mean(each)) for prompt, each in by_prompt.items()}


def _aligned(one: ByPrompt, other: ByPrompt, kind: Kind) -> Pairing:
    common = sorted(one.keys() & other.keys())
    prompts = tuple(each for each in common if np.isfinite(one[each] + other[each]))
    a, b = (np.array([side[prompt] for prompt in prompts]) for side in (one, other))
    return Pairing(prompts, a, b, kind)


def _are_own(column: str, contender: Contender) -> bool:
    """Return whether a diversity is the mean over prompts of each one's own, all above zero.

    Prompts leave room for diversity in very unlike measure: ratios tell more than differences.
    """
    score, values = contender.score(column), [*contender.prompts.get(column, {}).values()]
    if score is None or score.value is None or score.family != "diversity" or not values:
        return False
    return min(values) > 0 and bool(np.isclose(np.mean(values), score.value, rtol=1e-9))
