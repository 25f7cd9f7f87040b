"""Precision, recall, density and coverage after exchanges: all distances are had once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from harness.interfaces import Array, FeatureSet, Side
from harness.metrics.exchange import Chosen, Values, both
from harness.metrics.prdc import balanced, reaches, slack, squared_distances
from harness.metrics.specs.fidelity import Coverage, Density, Precision, Recall

NEAREST = 32
"""Neighbours of a row that are looked through first, for those which its own set has."""


def share_values(
    spec: Precision | Density | Coverage | Recall,
    a: FeatureSet,
    b: FeatureSet,
    sides: Mapping[Side, FeatureSet],
) -> Values | None:
    """Return shares of neighbourhoods; None where the metric has no value."""
    one, real, measured = balanced(a, sides["reference"], spec.k)
    other, _, _ = balanced(b, sides["reference"], spec.k)
    if measured.reason is not None:
        return None
    rows = np.concatenate([one.images, other.images])
    kept = np.isin(_names(a), _names(one))
    of = _recalled(spec, rows, real.images) if isinstance(spec, Recall) else _hit(spec, rows, real)
    values = both(of)
    return lambda swapped: values(swapped[kept])


def _names(rows: FeatureSet) -> NDArray[np.str_]:
    pairs = zip(rows.prompt_ids, rows.seeds, strict=True)
    return np.array([f"{seed}:{prompt}" for prompt, seed in pairs])


def _hit(
    spec: Precision | Density | Coverage, rows: Array, real: FeatureSet
) -> Callable[[Chosen], float]:
    """Return the share that only the reference's neighbourhoods decide."""
    near = squared_distances(rows, real.images) <= reaches(real.images, spec.k) + slack(real.images)
    if isinstance(spec, Coverage):
        return lambda chosen: float(near[chosen].any(0).mean())
    counts = near.sum(1)
    each = counts / spec.k if isinstance(spec, Density) else np.minimum(counts, 1)
    return lambda chosen: float(each[chosen].mean())


def _recalled(spec: Recall, rows: Array, real: Array) -> Callable[[Chosen], float]:
    """Return the share of the reference within neighbourhoods of the chosen rows' own."""
    across, among = squared_distances(rows, real), squared_distances(rows, rows)
    np.fill_diagonal(among, np.inf)
    reached, beyond = _Neighbours(among, spec.k), slack(real)

    def share(chosen: Chosen) -> float:
        radii = reached.radii(chosen)
        return float((across[chosen] <= radii[:, None] + beyond).any(0).mean())

    return share


class _Neighbours:
    """Rows with their nearest others in order, to find the k-th that was chosen too."""

    def __init__(self, squares: Array, k: int) -> None:
        self._squares, self._k = squares, k
        self._depth = min(len(squares) - 1, NEAREST + 2 * k)
        nearest = np.argpartition(squares, self._depth - 1, axis=1)[:, : self._depth]
        there = np.take_along_axis(squares, nearest, 1)
        order = np.argsort(there, axis=1)
        self._rows = np.take_along_axis(nearest, order, 1)
        self._there = np.take_along_axis(there, order, 1)

    def radii(self, chosen: Chosen) -> Array:
        """Return each chosen row's squared distance to its k-th nearest chosen other."""
        mine = np.zeros(len(self._squares), np.bool_)
        mine[chosen] = True
        count = mine[self._rows[chosen]].cumsum(1)
        found = count[:, -1] >= self._k
        at = (count >= self._k).argmax(1)
        radii = self._there[chosen, at]
        far = chosen[~found]
        whole = self._squares[np.ix_(far, chosen)]
        radii[~found] = np.partition(whole, self._k - 1, axis=1)[:, self._k - 1]
        return np.asarray(radii)
