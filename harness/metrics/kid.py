"""Kernel distance (KID): the unbiased squared MMD with a cubic kernel (arXiv:1801.01401)."""

from __future__ import annotations

import numpy as np

from harness.interfaces import Array, FeatureSet, Measurement
from harness.metrics.intervals import distance_refusal, jackknife
from harness.metrics.specs import Kid


def kid(spec: Kid, own: FeatureSet, reference: FeatureSet | None) -> Measurement:
    """Return KID over all pairs, with a jackknife over prompts; the reference is held fixed."""
    assert reference is not None
    n = len(own.images)
    reason = distance_refusal(own, reference)
    if reason is not None:
        return Measurement(None, None, None, n, reason=reason)
    among = kernel(own.images, own.images)
    across = kernel(own.images, reference.images).mean(1)
    theirs = _off_diagonal_mean(kernel(reference.images, reference.images))

    def without(kept: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> float:
        return float(
            _off_diagonal_mean(among[np.ix_(kept, kept)]) + theirs - 2 * across[kept].mean()
        )

    value = without(np.ones(n, dtype=bool))
    low, high = jackknife(value, without, own.prompt_ids)
    return Measurement(value, low, high, n)


def mmd2(x: Array, y: Array) -> float:
    """Unbiased squared MMD with the cubic kernel of KID (arXiv:1801.01401)."""
    own, theirs = _off_diagonal_mean(kernel(x, x)), _off_diagonal_mean(kernel(y, y))
    return float(own + theirs - 2 * kernel(x, y).mean())


def kernel(x: Array, y: Array) -> Array:
    """Return (x·y / d + 1)³ for all pairs of rows."""
    product = x @ y.T / x.shape[1] + 1
    return product * product * product  # type: ignore[no-any-return]


def _off_diagonal_mean(matrix: Array) -> float:
    n = len(matrix)
    return float((matrix.sum() - np.trace(matrix)) / (n * (n - 1)))
