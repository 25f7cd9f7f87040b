"""The Fréchet distance of two sets of rows, exact at low rank, and without each prompt in turn.

Nothing here knows what a metric is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.interfaces import Array

PRECISE = 1e-11
"""Relative error of a nuclear norm at which eigenvalues of a Gram matrix will do."""
STEP = 0.45
"""Between the nodes' logarithms: the rule's error is about exp(−π² / STEP), 3e-10."""
NOTHING = 1e-200
"""Squares below which rows are all alike: no quadrature could tell them from zero."""
NODES = np.exp(np.arange(-28, 9, STEP))


def frechet(x: Array, y: Array) -> float:
    """Return |μx − μy|² + tr(Σx + Σy − 2(ΣxΣy)^½) of the rows of `x` and `y`.

    The trace of the root is the nuclear norm of Xc Ycᵀ, with Xc the centred rows over √(n−1):
    its singular values are the roots of the eigenvalues of ΣxΣy. No matrix root is taken, and
    nothing is lost where rows are fewer than features. Where features are fewest of all, the
    same singular values come from the triangular factors of Xc and Yc, which are d × d.
    """
    centred_x, centred_y = centred(x), centred(y)
    gap = x.mean(0) - y.mean(0)
    rank = min(len(x) - 1, len(y) - 1, x.shape[1])
    root = nuclear_norm(small(centred_x) @ small(centred_y).T, rank)
    spread = np.square(centred_x).sum() + np.square(centred_y).sum()
    return float(gap @ gap + spread - 2 * root)


def nuclear_norm(rows: Array, rank: int) -> float:
    """Return the nuclear norm of a matrix of at most this rank.

    The eigenvalues of the smaller Gram matrix are quick, and small ones lose digits there; where
    that could show, singular values are taken.
    """
    wide = rows if len(rows) <= rows.shape[1] else rows.T
    norm = norm_of_gram(wide @ wide.T, rank)
    return float(np.linalg.svd(rows, compute_uv=False)[:rank].sum()) if norm is None else norm


def norm_of_gram(gram: Array, rank: int) -> float | None:
    """Return a nuclear norm by the smaller Gram matrix; None where that loses digits."""
    squares = np.linalg.eigvalsh(gram)[::-1][:rank]
    noise = len(gram) * np.finfo(np.float64).eps * squares[0]
    if squares[-1] > 100 * noise:
        values = np.sqrt(squares)
        if (noise / values).sum() < PRECISE * values.sum():
            return float(values.sum())
    return None


def centred(rows: Array) -> Array:
    """Return rows about their mean, over √(n − 1): their products are covariances."""
    return np.asarray((rows - rows.mean(0)) / np.sqrt(len(rows) - 1))


def small(rows: Array) -> Array:
    """Return a matrix with the same Gram matrix of columns and as few rows as can be."""
    if len(rows) <= rows.shape[1]:
        return rows
    return np.asarray(np.linalg.qr(rows, mode="r"), np.float64)


def frechet_without(x: Array, y: Array, cluster: NDArray[np.int64]) -> Array:
    """Return the distance without each cluster of rows of `x`, all from one decomposition.

    With z the rows about their mean and b the sum of the s rows left out, the others' scatter is
    Σzzᵀ − Σ_out zzᵀ − bbᵀ/(n − s), and their mean has moved by −b/(n − s).
    """
    order = np.argsort(cluster, kind="stable")
    out = np.split(order, np.cumsum(np.bincount(cluster))[:-1])
    centre = x.mean(0)
    z, left = x - centre, len(x) - np.bincount(cluster).astype(np.float64)
    gone = np.array([z[rows].sum(0) for rows in out])
    gap, gone_squares = centre - y.mean(0), np.square(gone).sum(1)
    squares = np.bincount(cluster, weights=np.square(z).sum(1))
    gaps = gap @ gap - 2 * gone @ gap / left + gone_squares / left**2
    factor = centred(y)
    spreads = (squares.sum() - squares - gone_squares / left) / (left - 1)
    roots = norms_without(z @ small(factor).T, out) / np.sqrt(left - 1)
    return np.asarray(gaps + spreads + np.square(factor).sum() - 2 * roots)


def norms_without(rows: Array, out: list[NDArray[np.int64]]) -> Array:
    """Return the nuclear norm of the centred `rows` without each of `out`, centred anew.

    With A = rows · rowsᵀ, to leave rows out and centre anew is to project on the complement of
    span{eᵢ − 1/n}. Where E is an orthonormal basis of that span, the complement's part of A + u²
    has the determinant det(A + u²) · det(Eᵀ(A + u²)⁻¹E). As Σ√λ = 1/π ∫₀^∞ log det(1 + A/u²) du,
    the norm changes by 1/π ∫ log det(Eᵀ u²(A + u²)⁻¹E) du: matrices as small as a prompt.
    """
    vectors, squares, whole = _spectrum(rows)
    largest = squares.max(initial=0)
    if largest < NOTHING:
        return np.zeros(len(out))
    nodes = NODES * np.sqrt(largest)
    shrunk = nodes[:, None] ** 2 / (squares + nodes[:, None] ** 2)
    norm = np.sqrt(squares).sum()
    return np.array(
        [norm + _change(_span(vectors, one), squares, nodes, shrunk, whole) for one in out]
    )


def _spectrum(rows: Array) -> tuple[Array, Array, bool]:
    """Return eigenvectors of rows · rowsᵀ, a row an image, and eigenvalues; and if they are all.

    Those that are not returned belong to the eigenvalue zero.
    """
    if len(rows) <= rows.shape[1]:
        squares, vectors = np.linalg.eigh(rows @ rows.T)
        return vectors - vectors.mean(0), np.maximum(squares, 0), True
    squares, turn = np.linalg.eigh(rows.T @ rows)
    kept = squares > squares[-1] * 1e-14
    return rows @ (turn[:, kept] / np.sqrt(squares[kept])), squares[kept], False


def _span(vectors: Array, out: NDArray[np.int64]) -> Array:
    """Return an orthonormal basis of span{eᵢ − 1/n} in terms of the eigenvectors."""
    share = 1 - len(out) / len(vectors)
    return np.asarray(vectors[out] + (share**-0.5 - 1) / len(out) * vectors[out].sum(0))


def _change(span: Array, squares: Array, nodes: Array, shrunk: Array, whole: bool) -> float:
    """Return 1/π ∫ log det of the span's part of u²(A + u²)⁻¹ over u, by the trapezoidal rule in
    log u; what lies above the last node falls off as 1/u², and its sum is known."""
    beyond = 0 if whole else np.eye(len(span)) - span @ span.T
    parts = (span * shrunk[:, None, :]) @ span.T + beyond
    least = len(span) * np.log(shrunk.min(1))
    logs = np.maximum(np.linalg.slogdet(parts).logabsdet, least)
    tail = (np.square(span) @ squares).sum() / (nodes[-1] * np.expm1(STEP))
    return float(STEP / np.pi * (nodes @ logs - tail))
