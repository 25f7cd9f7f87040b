"""A measurement with the 95 % interval of its value; the interval's unit is the prompt.

What a metric calls: it turns values of images, or a statistic without one prompt at a time, into a
`Measurement`. The formulas are in `statistics/`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.interfaces import Array, FeatureSet, Measurement
from harness.metrics.statistics.intervals import (
    clopper_pearson,
    effective_count,
    skewness_corrected,
)
from harness.metrics.statistics.jackknife import clusters, pseudo_values

NO_PROMPTS = "needs 2 prompts: the interval's unit is the prompt"


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
    """Return a measurement without a value, and why there is none."""
    return Measurement(None, None, None, n, reason=reason)


def mean_of(each: Array, own: FeatureSet) -> Measurement:
    """Return the mean of one value an image, with its interval; the values are kept."""
    cluster = clusters(own.prompt_ids)
    if len(each) == 0 or cluster.max() == 0:
        return Measurement(None, None, None, len(each), samples=each, reason=NO_PROMPTS)
    sums, sizes = np.bincount(cluster, weights=each), np.bincount(cluster)
    value = float(each.mean())
    without = (each.sum() - sums) / (len(each) - sizes)
    measured = of_pseudo(value, pseudo_values(value, without), len(each))
    return Measurement(
        measured.value, measured.low, measured.high, measured.n, each, measured.prompts
    )


def share_of(flags: NDArray[np.bool_], own: FeatureSet, whole: float = 1.0) -> Measurement:
    """Return the share of flagged images, out of `whole`; the interval stays within 0 and `whole`.

    It is Clopper and Pearson's, for as many independent images as the spread between prompts is
    worth; where all images agree, as many as there are prompts.
    """
    measured = mean_of(flags.astype(np.float64), own)
    if measured.prompts is None or measured.value is None:
        return measured
    count = len(measured.prompts)
    error = measured.prompts.var(ddof=1) / count
    n = effective_count(measured.value, error, len(own)) if error > 0 else count
    low, high = clopper_pearson(measured.value, n)
    assert measured.samples is not None
    return Measurement(
        whole * measured.value,
        whole * low,
        whole * high,
        len(own),
        whole * measured.samples,
        whole * measured.prompts,
    )


def jackknife(
    value: float, without: Callable[[NDArray[np.bool_]], float], own: FeatureSet
) -> Measurement:
    """Return `value` with its interval, from leaving out one prompt at a time.

    `without(kept)` gives the statistic of the rows where `kept` is true.
    """
    cluster = clusters(own.prompt_ids)
    left_out = [without(cluster != number) for number in range(int(cluster.max()) + 1)]
    return of_pseudo(value, pseudo_values(value, np.array(left_out)), len(own))


def of_pseudo(value: float, pseudo: Array, n: int) -> Measurement:
    """Return a value with the interval of its pseudo-values' mean."""
    down, up = skewness_corrected(pseudo)
    return Measurement(value, value - float(down), value + float(up), n, prompts=pseudo)


def means_of(each: Array, names: Sequence[str]) -> tuple[Array, Array, Array]:
    """Return the means of many results' values, a row each, and where their intervals end.

    Images are columns; `names` says whose prompt each is. A row is what `mean_of` says of it.
    """
    cluster = clusters(names)
    if each.shape[1] == 0 or cluster.max() == 0:
        nothing = np.full(len(each), np.nan)
        return nothing, nothing, nothing
    belongs = (cluster[:, None] == np.arange(cluster.max() + 1)).astype(np.float64)
    sums, sizes = each @ belongs, belongs.sum(0)
    value = each.mean(1, keepdims=True)
    without = (each.sum(1, keepdims=True) - sums) / (each.shape[1] - sizes)
    down, up = skewness_corrected(pseudo_values(value, without))
    return value[:, 0], value[:, 0] - down, value[:, 0] + up
