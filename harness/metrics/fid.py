"""Fréchet distances (FID, arXiv:1706.08500), exact at low rank.

The trace of (ΣxΣy)^½ is the nuclear norm of Xc Ycᵀ, with Xc the centred rows over √(n−1): its
singular values are the roots of the eigenvalues of ΣxΣy. No matrix root is taken, and nothing is
lost where rows are fewer than features. The reference's side is had once for all prompts that a
jackknife leaves out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.interfaces import Array, Evidence, Measurement
from harness.metrics.intervals import distance_refusal, jackknife, refused
from harness.metrics.specs.fidelity import FdDinov2, Fid, FidClean, FidInfinity, FidTtur

Mask = NDArray[np.bool_]
PRECISE = 1e-11
"""Relative error of a nuclear norm at which eigenvalues of the Gram matrix will do."""
SEED = 0


def fid(spec: Fid | FdDinov2 | FidTtur | FidClean, evidence: Evidence) -> Measurement:
    """Return FID at this N, with a jackknife over prompts; comparable at equal N alone."""
    own, reference = evidence.own, evidence["reference"]
    reason = distance_refusal(own, reference)
    if reason is not None:
        return refused(len(own), reason)
    beside = Beside.of(own.images, reference.images)
    return jackknife(beside.distance(np.ones(len(own), np.bool_)), beside.distance, own)


def protocol(spec: FidTtur | FidClean, evidence: Evidence) -> Measurement:
    """Return FID as a paper would report it, or nothing where images are too few for that."""
    n, m = len(evidence.own), len(evidence["reference"])
    if min(n, m) < spec.least:
        return refused(
            n, f"needs {spec.least} images on either side, has {n} and {m}: "
            "with fewer the value says more of N than of the pictures",
        )  # fmt: skip
    return fid(spec, evidence)


def fid_infinity(spec: FidInfinity, evidence: Evidence) -> Measurement:
    """Return where the line of FID over 1/N, through subsets of the images, meets 1/N = 0.

    Leaving out a prompt takes its images out of each subset and draws the line anew.
    """
    own, reference = evidence.own, evidence["reference"]
    reason = distance_refusal(own, reference)
    least = 4 * spec.points
    if reason is None and len(own) < least:
        reason = f"needs {least} images to draw a line through, has {len(own)}"
    if reason is not None:
        return refused(len(own), reason)
    beside = Beside.of(own.images, reference.images)
    subsets = nested(len(own), spec.points)

    def beyond(kept: Mask) -> float:
        return _intercept(beside, [subset & kept for subset in subsets])

    return jackknife(beyond(np.ones(len(own), np.bool_)), beyond, own)


def nested(n: int, points: int) -> list[Mask]:
    """Return subsets of n rows, from a quarter to all, each within the next, by a seeded draw."""
    place = np.random.default_rng(SEED).permutation(n)
    return [place < size for size in np.linspace(n / 4, n, points).round().astype(np.int64)]


def _intercept(beside: Beside, subsets: Sequence[Mask]) -> float:
    inverse = np.array([1 / subset.sum() for subset in subsets])
    values = np.array([beside.distance(subset) for subset in subsets])
    away = inverse - inverse.mean()
    return float(values.mean() - inverse.mean() * (away @ values) / (away @ away))


def frechet(x: Array, y: Array) -> float:
    """Return |μx − μy|² + tr(Σx + Σy − 2(ΣxΣy)^½) of the rows of `x` and `y`."""
    return Beside.of(x, y).distance(np.ones(len(x), np.bool_))


@dataclass(frozen=True)
class Beside:
    """Rows beside a fixed reference, ready to say the distance of any of them."""

    rows: Array
    """Centred; n × d."""
    gap: Array
    """Their mean, less the reference's."""
    seen: Array
    """n × r: products with the reference's centred rows, or with a triangular factor of them."""
    among: Array | None
    """n × n: `seen` times its own transpose, where that is the smaller Gram matrix."""
    spread: float
    """The trace of the reference's covariance."""
    rank: int
    """The most its covariance can have."""

    @staticmethod
    def of(x: Array, y: Array) -> Beside:
        rows = x - x.mean(0)
        theirs = (y - y.mean(0)) / np.sqrt(len(y) - 1)
        rank = min(len(y) - 1, y.shape[1])
        seen = rows @ _small(theirs).T
        among = seen @ seen.T if len(seen) <= seen.shape[1] else None
        spread = float(np.square(theirs).sum())
        return Beside(rows, x.mean(0) - y.mean(0), seen, among, spread, rank)

    def distance(self, kept: Mask) -> float:
        """Return the Fréchet distance of the rows where `kept` is true."""
        count = int(kept.sum())
        share = kept / count
        moved = share @ self.rows
        own = np.square(self.rows).sum(1) @ share - moved @ moved
        gap = self.gap + moved
        root = self._norm(kept, count) / np.sqrt(count - 1)
        return float(gap @ gap + own * count / (count - 1) + self.spread - 2 * root)

    def _norm(self, kept: Mask, count: int) -> float:
        """Return the nuclear norm of what is seen of these rows, once they are centred.

        It comes from the eigenvalues of the Gram matrix, which is quick; small ones lose digits
        there, and where that would show, from singular values.
        """
        squares = np.linalg.eigvalsh(self._gram(kept))[::-1][: min(count - 1, self.rank)]
        noise = 4 * np.finfo(np.float64).eps * max(squares[0], 0.0)
        if squares[-1] > 100 * noise:
            values = np.sqrt(squares)
            if (noise / values).sum() < PRECISE * values.sum():
                return float(values.sum())
        seen = self.seen[kept]
        return float(np.linalg.svd(_small(seen - seen.mean(0)), compute_uv=False).sum())

    def _gram(self, kept: Mask) -> Array:
        if self.among is None:
            seen = self.seen[kept]
            seen = seen - seen.mean(0)
            return np.asarray(seen.T @ seen)
        among = self.among[np.ix_(kept, kept)]
        mean = among.mean(0)
        return np.asarray(among - mean - mean[:, None] + mean.mean())


def _small(centred: Array) -> Array:
    """Return a matrix with the same Gram matrix of columns and as few rows as can be."""
    rows, columns = centred.shape
    if rows <= columns:
        return centred
    return np.asarray(np.linalg.qr(centred, mode="r"), np.float64)
