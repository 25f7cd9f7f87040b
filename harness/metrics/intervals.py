"""Intervals whose unit is the prompt: images of one prompt are not independent of each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from harness.interfaces import Array, FeatureSet, Measurement

LEVEL = 0.95
RESAMPLES = 4000


def clusters(names: Sequence[str]) -> NDArray[np.int64]:
    """Return the number of each row's prompt, prompts counted as they first appear."""
    order: dict[str, int] = {}
    return np.array([order.setdefault(name, len(order)) for name in names], dtype=np.int64)


def distance_refusal(own: FeatureSet, reference: FeatureSet) -> str | None:
    """Return why no distance with an interval can be had of these sets, if so."""
    sizes = np.bincount(clusters(own.prompt_ids))
    n = len(own.images)
    if n < 3 or len(sizes) < 2 or n - sizes.max() < 2:
        return f"needs 2 prompts and 3 images, no prompt holding all but one; has {n} images"
    if len(reference.images) < 2:
        return f"needs 2 reference pictures, has {len(reference.images)}"
    return None


def mean_of(each: Array, own: FeatureSet) -> Measurement:
    """Return the mean of one value an image with its bootstrap interval; the values are kept."""
    if len(set(own.prompt_ids)) < 2:
        reason = "needs 2 prompts: the interval's unit is the prompt"
        return Measurement(None, None, None, len(each), samples=each, reason=reason)
    low, high = bootstrap_mean(each, own.prompt_ids)
    return Measurement(float(each.mean()), low, high, len(each), samples=each)


def bootstrap_mean(values: Array, prompts: Sequence[str], seed: int = 0) -> tuple[float, float]:
    """Return the percentile interval of the mean, resampling whole prompts."""
    cluster = clusters(prompts)
    count = int(cluster.max()) + 1
    sums = np.bincount(cluster, weights=values, minlength=count)
    sizes = np.bincount(cluster, minlength=count)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, count, (RESAMPLES, count))
    means = sums[drawn].sum(1) / sizes[drawn].sum(1)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def jackknife(
    value: float, without: Callable[[NDArray[np.bool_]], float], prompts: Sequence[str]
) -> tuple[float, float]:
    """Return value ± t · SE, from leaving out one prompt at a time.

    `without(kept)` gives the statistic of the rows where `kept` is true.
    """
    cluster = clusters(prompts)
    count = int(cluster.max()) + 1
    left_out = np.array([without(cluster != number) for number in range(count)])
    error = np.sqrt((count - 1) / count * np.square(left_out - left_out.mean()).sum())
    reach = float(stats.t.ppf(0.5 + LEVEL / 2, count - 1) * error)
    return value - reach, value + reach
