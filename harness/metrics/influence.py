"""How far a training picture helped what a model is asked about, from projected gradients.

A step on picture z moves the weights against its gradient, so the loss of what is asked falls by
about rate · ⟨∇ℓ(z), ∇ℓ(asked)⟩. Summed over the kept checkpoints, each with the rates of the steps
up to it, this is TracInCP (arXiv:2002.08484). Here every gradient counts by its direction alone
(renormalized influence, arXiv:2201.10055): by length, a few noisy timesteps and a few pictures that
are hard to predict would decide. `performance/blame.py` measures both, and what else was tried.

Every picture is asked under several noises at each of a few timesteps; how far these disagree gives
the interval.
"""

from __future__ import annotations

import numpy as np

from harness.interfaces import Array
from harness.metrics.statistics.intervals import t_quantile


def contributions(directions: Array, asked: Array, rates: float) -> Array:
    """Return what each noise of each picture adds at one checkpoint: pictures × points.

    `directions` are pictures × points × k gradients of length 1, `asked` is the mean of those of
    what is asked, k.
    """
    return np.asarray(rates * (directions @ asked))


def influences(parts: Array, timesteps: int) -> tuple[Array, Array]:
    """Return the influence of each picture and half the width of its interval over noises.

    `parts` are pictures × points, summed over checkpoints, with the noises of a timestep side by
    side. Timesteps are a fixed grid, so only noises at the same timestep are compared; with one
    noise at each, pairs of neighbouring timesteps are, and the interval is a little too wide.
    """
    pictures, points = parts.shape
    noises = points // timesteps
    groups = parts.reshape(pictures, -1, noises if noises > 1 else min(2, points))
    free = groups.shape[1] * (groups.shape[2] - 1)
    if free == 0:
        return parts.mean(1), np.full(pictures, np.inf)
    variance = groups.var(2, ddof=1).mean(1) / points
    return parts.mean(1), np.asarray(t_quantile(free) * np.sqrt(variance))


def typical(values: Array) -> float:
    """Return the mean distance from 0, by which influences are divided; 1 if all are 0."""
    return float(np.abs(values).mean()) or 1.0
