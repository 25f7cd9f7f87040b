"""Intervals whose unit is the prompt: images of one prompt are not independent of each other.

Every metric leaves one pseudo-value a prompt (Tukey's jackknife): P = kθ − (k − 1)θ₋ₚ for k
prompts. Their standard error is the metric's, and the difference of two results on the same
prompts is judged by the differences of their pseudo-values, whatever the metric.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from harness.interfaces import Array, FeatureSet, Measurement

LEVEL = 0.95
NO_PROMPTS = "needs 2 prompts: the interval's unit is the prompt"


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


def refused(n: int, reason: str) -> Measurement:
    return Measurement(None, None, None, n, reason=reason)


def mean_of(each: Array, own: FeatureSet) -> Measurement:
    """Return the mean of one value an image, with its interval; the values are kept."""
    cluster = clusters(own.prompt_ids)
    if len(each) == 0 or cluster.max() == 0:
        return Measurement(None, None, None, len(each), samples=each, reason=NO_PROMPTS)
    sums, sizes = np.bincount(cluster, weights=each), np.bincount(cluster)
    value = float(each.mean())
    without = (each.sum() - sums) / (len(each) - sizes)
    found = of_pseudo(value, pseudo_values(value, without), len(each))
    return Measurement(found.value, found.low, found.high, found.n, each, found.prompts)


def jackknife(
    value: float, without: Callable[[NDArray[np.bool_]], float], own: FeatureSet
) -> Measurement:
    """Return `value` with its interval, from leaving out one prompt at a time.

    `without(kept)` gives the statistic of the rows where `kept` is true.
    """
    cluster = clusters(own.prompt_ids)
    left_out = [without(cluster != number) for number in range(int(cluster.max()) + 1)]
    return of_pseudo(value, pseudo_values(value, np.array(left_out)), len(own))


def pseudo_values(value: float, without: Array) -> Array:
    """Return kθ − (k − 1)θ₋ₚ for each of k prompts, from the statistic without each of them."""
    count = len(without)
    return np.asarray(count * value - (count - 1) * without, np.float64)


def of_pseudo(value: float, pseudo: Array, n: int) -> Measurement:
    """Return value ± t · SE, the standard error being that of the pseudo-values' mean."""
    reach = reach_of(pseudo)
    return Measurement(value, value - reach, value + reach, n, prompts=pseudo)


def reach_of(pseudo: Array) -> float:
    """Return half the width of the interval of a mean of pseudo-values."""
    count = len(pseudo)
    error = pseudo.std(ddof=1) / np.sqrt(count)
    return float(stats.t.ppf(0.5 + LEVEL / 2, count - 1) * error)
