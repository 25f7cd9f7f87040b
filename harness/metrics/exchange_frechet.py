"""Fréchet distances after exchanges: products are had once, and most draws by an estimate.

A draw counts only by the side of the observed difference on which it lies. What is costly of it,
the nuclear norms of two halves of the rows, differs between the halves nearly as a sum over rows.
So some draws are computed, the sum is fitted to them, and the others are estimated; whatever lies
near the observed difference, for how far estimates have missed, is computed too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from harness.interfaces import Array, FeatureSet, MetricSpec, Side
from harness.metrics.exchange import Chosen, Rows, Values, either
from harness.metrics.frechet import NOTHING, centred, norm_of_gram, small
from harness.metrics.intervals import distance_refusal

LEAST = 256
"""Images from which on an estimate saves more than it takes."""
FITTED = 32
"""Draws that are computed before any is estimated, and at a time after that."""
SURE = 8.0
"""Standard deviations of what estimates missed by, beyond which they decide: with the freedom that
`FITTED` leaves, one in 10⁷ is further out."""


def frechet_values(
    spec: MetricSpec, a: FeatureSet, b: FeatureSet, sides: Mapping[Side, FeatureSet]
) -> Values | None:
    """Return Fréchet distances; None where the metric has no value."""
    real = sides["reference"]
    few = len(a) < getattr(spec, "least", 0)
    if few or distance_refusal(a, real) is not None or distance_refusal(b, real) is not None:
        return None
    return FrechetValues(np.concatenate([a.images, b.images]), real.images)


class FrechetValues:
    """The distance of either half of the rows to the reference, for any exchange."""

    def __init__(self, rows: Array, real: Array) -> None:
        factor = centred(real)
        self.n = len(rows) // 2
        self._rows = rows - real.mean(0)
        products = (rows - rows.mean(0)) @ small(factor).T
        self._products = products / np.sqrt(self.n - 1)
        is_wide = self.n <= products.shape[1]
        self._gram = self._products @ self._products.T if is_wide else None
        self._lengths = np.square(self._rows).sum(1)
        self._spread = float(np.square(factor).sum())
        self._rank = min(self.n - 1, len(real) - 1, rows.shape[1])

    def __call__(self, swapped: Rows) -> tuple[float, float]:
        one, other = either(swapped)
        return self._distance(one), self._distance(other)

    def _distance(self, chosen: Chosen) -> float:
        gap = self._rows[chosen].mean(0)
        own = (self._lengths[chosen].sum() - self.n * (gap @ gap)) / (self.n - 1)
        return float(gap @ gap + own + self._spread - 2 * self._norm(chosen))

    def _norm(self, chosen: Chosen) -> float:
        """Return the nuclear norm of the chosen rows' products, about their mean."""
        norm = norm_of_gram(self._about_mean(chosen), self._rank)
        if norm is not None:
            return norm
        there = self._products[chosen]
        return float(np.linalg.svd(there - there.mean(0), compute_uv=False)[: self._rank].sum())

    def count_reached(self, swaps: Sequence[Rows], seen: float) -> int:
        """Return how many exchanges have a difference that is not smaller than `seen`."""
        signs = np.array([np.concatenate([1 - 2.0 * each, 2.0 * each - 1]) for each in swaps])
        known = self._known_part(signs)
        if self.n < LEAST or self._gram is None or len(swaps) <= FITTED:
            each = (self._sided(swap, at, seen) for swap, at in zip(swaps, known, strict=True))
            return sum(not abs(gap) < seen for gap in each)
        sums = signs @ self._parts()
        gaps: dict[int, float] = {}
        due: Iterable[int] = range(FITTED)
        while True:
            gaps |= {at: self._sided(swaps[at], known[at], seen) for at in due}
            estimates, missed = _fitted(known, sums, gaps)
            away = np.abs(np.abs(estimates) - seen)
            away[list(gaps)] = np.inf
            unsure = np.flatnonzero(~(away > SURE * missed))
            if not len(unsure):
                break
            due = unsure[np.argsort(away[unsure])][:FITTED].tolist()
        computed = sum(not abs(gap) < seen for gap in gaps.values())
        left = np.setdiff1d(np.arange(len(swaps)), list(gaps))
        return int(computed + (np.abs(estimates[left]) >= seen).sum())

    def _sided(self, swapped: Rows, known: float, seen: float) -> float:
        """Return a difference as precisely as it takes to tell on which side of `seen` it lies."""
        norms, errors = zip(*map(self._rough_norm, either(swapped)), strict=True)
        gap = float(known - 2 * (norms[0] - norms[1]))
        return gap if abs(abs(gap) - seen) > 2 * sum(errors) else self._gap(swapped)

    def _rough_norm(self, chosen: Chosen) -> tuple[float, float]:
        """Return a nuclear norm by the Gram matrix alone, and how far rounding may have moved it.

        Each eigenvalue is off by `noise` at most, so its root by no more than that over the root,
        nor more than the root of `noise`.
        """
        squares = np.linalg.eigvalsh(self._about_mean(chosen))[::-1][: self._rank]
        if squares[0] <= 0:
            return 0.0, np.inf
        noise = self.n * np.finfo(np.float64).eps * squares[0]
        values = np.sqrt(np.maximum(squares, 0))
        errors = noise / np.maximum(values, np.sqrt(noise))
        return float(values.sum()), float(2 * errors.sum())

    def _about_mean(self, chosen: Chosen) -> Array:
        """Return the smaller Gram matrix of the chosen rows' products, about their mean."""
        if self._gram is None:
            there = self._products[chosen]
            there = there - there.mean(0)
            return np.asarray(there.T @ there)
        gram = self._gram[np.ix_(chosen, chosen)]
        mean = gram.mean(0)
        return np.asarray(gram - mean - mean[:, None] + mean.mean())

    def _gap(self, swapped: Rows) -> float:
        one, other = self(swapped)
        return one - other

    def _known_part(self, signs: Array) -> Array:
        """Return the differences without their nuclear norms, by the signs of rows: 1 in A."""
        whole = self._rows.sum(0)
        tilt = signs @ self._rows
        sums = (whole + tilt) / 2, (whole - tilt) / 2
        squares = [np.square(each / self.n).sum(1) for each in sums]
        share = 1 - self.n / (self.n - 1)
        return np.asarray(share * (squares[0] - squares[1]) + signs @ self._lengths / (self.n - 1))

    def _parts(self) -> Array:
        """Return what each row adds to the norm of a half, to first order, under several floors.

        The norm is tr C^½, and its derivative by a row's weight p'C^(−½)p / 2. A half of the rows
        has fewer dimensions than all; eigenvalues that are lifted by a floor stand for that.
        """
        assert self._gram is not None
        mean = self._gram.mean(0)
        squares, vectors = np.linalg.eigh(self._gram - mean - mean[:, None] + mean.mean())
        kept = squares > max(squares[-1] * 1e-12, NOTHING)
        if not kept.any():
            return np.zeros((len(squares), 1))
        squares, shares = squares[kept], np.square(vectors[:, kept])
        floors = [0, *(np.median(squares) * np.array([0.1, 1, 10]))]
        parts = [shares @ (squares / np.sqrt(squares + floor)) for floor in floors]
        return np.column_stack([*parts, shares @ squares])


def _fitted(known: Array, sums: Array, gaps: Mapping[int, float]) -> tuple[Array, float]:
    """Return an estimate of each difference, and by how much those that are known were missed."""
    at = list(gaps)
    largest = np.abs(sums).max(0)
    scaled = sums / np.where(largest > 0, largest, 1)
    rest = np.array([*gaps.values()]) - known[at]
    if not np.isfinite(rest).all():
        return known, np.inf
    weights = np.linalg.lstsq(scaled[at], rest, rcond=None)[0]
    wrong = rest - scaled[at] @ weights
    missed = np.sqrt(np.square(wrong).sum() / (len(at) - len(weights)))
    return known + scaled @ weights, float(missed)
