"""CLIP-I and DINO-I: mean cosine of every image to every reference picture (arXiv:2208.12242)."""

from __future__ import annotations

import numpy as np

from harness.interfaces import Array, Evidence, Measurement
from harness.metrics.intervals import mean_of, refused
from harness.metrics.specs.style import ClipI, DinoI


def likeness(spec: ClipI | DinoI, evidence: Evidence) -> Measurement:
    """Return the mean over all pairs; an image's own value is its mean over the reference."""
    own, reference = evidence.own, evidence["reference"]
    if len(reference) == 0:
        return refused(len(own), "the reference holds no picture")
    return mean_of(unit(own.images) @ unit(reference.images).mean(0), own)


def unit(rows: Array) -> Array:
    """Return the rows at unit length; a row of zeros stays one, and is like nothing."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1), np.float64)
