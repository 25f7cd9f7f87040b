"""Fréchet distance (FID, arXiv:1706.08500), exact at low rank."""

from __future__ import annotations

import numpy as np

from harness.interfaces import Array, Evidence, Measurement
from harness.metrics.intervals import distance_refusal, jackknife, refused
from harness.metrics.specs.fidelity import Fid


def fid(spec: Fid, evidence: Evidence) -> Measurement:
    """Return FID at this N, with a jackknife over prompts; comparable at equal N alone."""
    own, reference = evidence.own, evidence["reference"]
    reason = distance_refusal(own, reference)
    if reason is not None:
        return refused(len(own), reason)
    value = frechet(own.images, reference.images)
    return jackknife(value, lambda kept: frechet(own.images[kept], reference.images), own)


def frechet(x: Array, y: Array) -> float:
    """Return |μx − μy|² + tr(Σx + Σy − 2(ΣxΣy)^½) of the rows of `x` and `y`.

    The trace of the root is the nuclear norm of Xc Ycᵀ, with Xc the centred rows over √(n−1):
    its singular values are the roots of the eigenvalues of ΣxΣy. No matrix root is taken, and
    nothing is lost where rows are fewer than features. Where features are fewest of all, the
    same singular values come from the triangular factors of Xc and Yc, which are d × d.
    """
    centred_x = (x - x.mean(0)) / np.sqrt(len(x) - 1)
    centred_y = (y - y.mean(0)) / np.sqrt(len(y) - 1)
    gap = x.mean(0) - y.mean(0)
    root = np.linalg.svd(_small(centred_x) @ _small(centred_y).T, compute_uv=False).sum()
    spread = np.square(centred_x).sum() + np.square(centred_y).sum()
    return float(gap @ gap + spread - 2 * root)


def _small(centred: Array) -> Array:
    """Return a matrix with the same Gram matrix of columns and as few rows as can be."""
    rows, columns = centred.shape
    if rows <= columns:
        return centred
    return np.asarray(np.linalg.qr(centred, mode="r"), np.float64)
