"""Contenders made of numbers, for tests of what is said of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from harness.decisions.contender import Contender
from harness.interfaces import Array
from harness.records import Accounting, Result, Score

SEEDS = (1, 2)
FAMILIES = {
    "kid": "fidelity",
    "kid-lite0": "fidelity",
    "fid": "fidelity",
    "clip-score": "prompt",
    "tag-recall": "prompt",
    "aesthetic": "quality",
    "vendi": "diversity",
    "memorization": "copying",
    "extraction": "copying",
    "broken": "broken",
}
LOWER = {"kid", "kid-lite0", "fid", "memorization", "extraction", "broken"}
"""Metrics that are better if lower."""


def normal(seed: int, count: int = 32) -> Array:
    return np.random.default_rng(seed).normal(size=count)


def contender(
    means: Mapping[str, Array], name: str = "ink", seeds: Sequence[int] = SEEDS, **pseudo: Array
) -> Contender:
    """Return a result with metrics that are means over images, and others by pseudo-values."""
    every = {**means, **pseudo}
    by_prompt = {
        column: {f"p{at:03d}": float(value) for at, value in enumerate(values)}
        for column, values in every.items()
    }
    samples = {
        column: {
            (prompt, seed): value for prompt, value in by_prompt[column].items() for seed in seeds
        }
        for column in means
    }
    scores = tuple(_score(column, values) for column, values in every.items())
    count = len(next(iter(every.values()))) * len(seeds)
    images = Accounting(expected=count, generated=count, failed=0, scored=count)
    result = Result(
        recipe=name,
        benchmark="pocket-v1",
        signature="s",
        protocol={"seeds": list(seeds)},
        keys={},
        images=images,
        scores=scores,
    )
    return Contender(result, by_prompt, samples)


def _score(column: str, values: Array) -> Score:
    value, reach = float(values.mean()), 2.04 * float(values.std(ddof=1)) / len(values) ** 0.5
    return Score(
        metric=column,
        value=value,
        low=value - reach,
        high=value + reach,
        n=len(values),
        family=FAMILIES[column],
        higher_is_better=column not in LOWER,
    )


def with_result(side: Contender, **changes: Any) -> Contender:
    return replace(side, result=side.result.model_copy(update=changes))


def with_score(side: Contender, column: str, **changes: Any) -> Contender:
    """Return a contender with some fields of one score changed."""
    scores = tuple(
        each.model_copy(update=changes) if each.metric == column else each
        for each in side.result.scores
    )
    return with_result(side, scores=scores)


def with_images(side: Contender, **counts: int) -> Contender:
    return with_result(side, images=side.result.images.model_copy(update=counts))
