"""Intervals whose unit is the prompt: images of one prompt are not independent of each other.

Every metric leaves one pseudo-value a prompt (Tukey's jackknife): P = kθ − (k − 1)θ₋ₚ for k
prompts. Their standard error is the metric's, and the difference of two results on the same
prompts is judged by the differences of their pseudo-values, whatever the metric.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

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


def share_of(flags: NDArray[np.bool_], own: FeatureSet, whole: float = 1.0) -> Measurement:
    """Return the share of flagged images, out of `whole`; the interval stays within 0 and `whole`.

    It is Clopper and Pearson's, for as many independent images as the spread between prompts is
    worth (Korn & Graubard 1998); where all images agree, as many as there are prompts.
    """
    found = mean_of(flags.astype(np.float64), own)
    if found.prompts is None or found.value is None:
        return found
    share, count = found.value, len(found.prompts)
    error = found.prompts.var(ddof=1) / count
    n = min(share * (1 - share) / error, len(own)) if error > 0 else count
    yes, no, tail = share * n, (1 - share) * n, (1 - LEVEL) / 2
    low = special.betaincinv(yes, no + 1, tail) if yes > 0 else 0.0
    high = special.betaincinv(yes + 1, no, 1 - tail) if no > 0 else 1.0
    assert found.samples is not None
    return Measurement(
        whole * share,
        whole * float(low),
        whole * float(high),
        len(own),
        whole * found.samples,
        whole * found.prompts,
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


def pseudo_values(value: float | Array, without: Array) -> Array:
    """Return kθ − (k − 1)θ₋ₚ for each of k prompts, from the statistic without each of them."""
    count = without.shape[-1]
    return np.asarray(count * value - (count - 1) * without, np.float64)


def of_pseudo(value: float, pseudo: Array, n: int) -> Measurement:
    """Return a value with the interval of its pseudo-values' mean."""
    down, up = ends_of(pseudo)
    return Measurement(value, value - down, value + up, n, prompts=pseudo)


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
    pseudo = pseudo_values(value, without)
    down, up = _ends_along(pseudo)
    return value[:, 0], value[:, 0] - down, value[:, 0] + up


def ends_of(pseudo: Array) -> tuple[float, float]:
    """Return how far the interval of a mean reaches down, and how far up."""
    down, up = _ends_along(pseudo)
    return float(down), float(up)


def _ends_along(pseudo: Array) -> tuple[Array, Array]:
    """Return how far intervals of means over the last axis reach down, and how far up.

    Where prompts have a long tail on one side, t · SE misses on that side more often than it says:
    t is bent by their skewness, as in Hall (1992, J. R. Statist. Soc. B 54, p. 221).
    """
    count, spread = pseudo.shape[-1], pseudo.std(-1)
    t = special.stdtrit(count - 1, 0.5 + LEVEL / 2)
    error = spread / np.sqrt(count - 1)
    even = spread <= 1e-12 * np.abs(pseudo).max(-1)
    away = (pseudo - pseudo.mean(-1, keepdims=True)) / np.where(even, 1.0, spread)[..., None]
    bend = np.mean(away**3, -1) / (3 * np.sqrt(count))
    straight = even | (np.abs(bend) < 1e-6)
    safe = np.where(straight, 1.0, bend)
    low, high = (
        np.where(straight, end, (np.cbrt(1 + 3 * safe * (end - safe / 2)) - 1) / safe)
        for end in (-t, t)
    )
    return np.asarray(high * error), np.asarray(-low * error)


def reach_of(differences: Array) -> float:
    """Return half the width of the interval of a mean whose values have no long tail."""
    count = len(differences)
    error = differences.std(ddof=1) / np.sqrt(count)
    return float(special.stdtrit(count - 1, 0.5 + LEVEL / 2) * error)
