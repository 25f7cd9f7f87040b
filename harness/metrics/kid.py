"""Kernel distance (KID): the unbiased squared MMD with a cubic kernel (arXiv:1801.01401)."""

from __future__ import annotations

import numpy as np

from harness.interfaces import Array, Evidence, Measurement
from harness.metrics import mmd
from harness.metrics.specs.fidelity import Kid


def kid(spec: Kid, evidence: Evidence) -> Measurement:
    """Return KID, with a jackknife over prompts; the reference is held fixed."""
    return mmd.measure(evidence.own, evidence["reference"], kernel, spec.pairs)


def kernel(x: Array, y: Array) -> Array:
    """Return (x·y / d + 1)³ for all pairs of rows."""
    product = x @ y.T
    product /= x.shape[1]
    product += 1
    cube = np.square(product)
    cube *= product
    return cube


def mmd2(x: Array, y: Array) -> float:
    """Unbiased squared MMD with the cubic kernel of KID (arXiv:1801.01401), over all pairs."""
    return mmd.mmd2(x, y, kernel)
